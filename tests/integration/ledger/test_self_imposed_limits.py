"""Apply self-imposed limits."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from paynearme.ledger import schema
from tests.support.callback_driver import CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER, SITE
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LedgerFixture

_to_wire = TypeSerializer().serialize


def store_limits(ledger_table: LedgerFixture, **self_imposed_limits: str) -> None:
    """Store a customer with self-imposed limits by window."""
    limits = {f"self_imposed_{window}_limit": Decimal(amount) for window, amount in self_imposed_limits.items()}
    pk, sk = schema.account_key(SITE, CUSTOMER)
    item: dict[str, Any] = {"pk": pk, "sk": sk, "status": "active", **limits}
    wire = {name: _to_wire(value) for name, value in item.items()}
    ledger_table.client.put_item(TableName=ledger_table.table_name, Item=wire)


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_self_imposed_limit_exact_accepted_cent_more_declined(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, window: str
) -> None:
    store_limits(ledger_table, **{window: "150.00"})

    assert callback_driver.authorize("1")
    assert not callback_driver.authorize("2", payment_amount="50.01")
    assert callback_driver.item("2")["reason"] == f"self_imposed_{window}_limit_exceeded"
    assert callback_driver.authorize("3", payment_amount="50.00", payment_type="a_new_one")
    assert callback_driver.spent() == total("150.00")


@pytest.mark.parametrize(
    ("self_imposed", "reason"),
    [
        ({"day": "149.99"}, "self_imposed_day_limit_exceeded"),
        ({"day": "1000.00", "week": "149.99", "month": "149.99"}, "self_imposed_week_limit_exceeded"),
        ({"month": "149.99"}, "self_imposed_month_limit_exceeded"),
    ],
)
def test_self_imposed_limit_below_policy_limit_is_reason(
    callback_driver: CallbackDriver,
    ledger_table: LedgerFixture,
    deployed_policy: FakeAppConfig,
    self_imposed: dict[str, str],
    reason: str,
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00")])
    store_limits(ledger_table, **self_imposed)
    callback_driver.authorize("1")

    assert not callback_driver.authorize("2", payment_amount="50.00")
    assert callback_driver.item("2")["reason"] == reason


def test_self_imposed_limit_above_policy_keeps_policy_limit(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("month", "150.00", "credit")])
    store_limits(ledger_table, day="1000.00", month="1000.00")
    callback_driver.authorize("1")

    assert not callback_driver.authorize("2", payment_amount="50.01")
    assert callback_driver.item("2")["reason"] == "month_limit_exceeded"
    assert callback_driver.authorize("3", payment_amount="900.00", payment_type="cash")
    assert not callback_driver.authorize("4", payment_amount="0.01", payment_type="cash")
    assert callback_driver.item("4")["reason"] == "self_imposed_day_limit_exceeded"


def test_self_imposed_limit_counts_earlier_spending(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture
) -> None:
    callback_driver.authorize("1")
    store_limits(ledger_table, day="100.00")

    assert not callback_driver.authorize("2", payment_amount="0.01")


def test_self_imposed_limit_applies_only_to_its_customer(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture
) -> None:
    store_limits(ledger_table, day="99.99")

    assert not callback_driver.authorize("1")
    assert callback_driver.authorize("2", site_customer_identifier="another")
