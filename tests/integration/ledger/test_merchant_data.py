"""Write orders and customers for the merchant's backend, and apply them to authorizations."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api_driver import ORDER, ApiDriver, customer_path, order_path, parameter_errors
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at
from tests.support.callback_fixtures import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, site_changes
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver

CUSTOMER_FIELDS: dict[str, Any] = {
    "status": "suspended",
    "suspended_reason": "identity_check",
    "self_imposed_day_limit": "0.00",
    "self_imposed_week_limit": "500.50",
    "self_imposed_month_limit": "1000.00",
}
ORDER_FIELDS: dict[str, Any] = {
    "status": "closed",
    "order_type": "up-to",
    "order_amount": "500.00",
    "minimum_payment_amount": "0.50",
    "expires_at": "2026-11-20T18:00:00.25-05:00",
}
LATER = NOON + timedelta(hours=1)
OTHER_SITE = SITE_OF_3_0_IN_XML


@pytest.fixture
def api_driver(api_driver: ApiDriver) -> ApiDriver:
    return api_driver.at(NOON)


@pytest.mark.parametrize(
    ("path", "fields", "returned"),
    [
        (customer_path(), CUSTOMER_FIELDS, {"site_customer_identifier": CUSTOMER, "balance": "0.00"}),
        (
            order_path(),
            ORDER_FIELDS,
            {"pnm_order_identifier": ORDER, "expires_at": "2026-11-20T23:00:00.250000Z"},
        ),
    ],
    ids=["customer", "order"],
)
def test_put_all_fields_returned_by_get(
    api_driver: ApiDriver, path: str, fields: dict[str, Any], returned: dict[str, Any]
) -> None:
    put_response = api_driver.put(path, **fields)

    expected = fields | {"site_identifier": SITE, "merchant_updated_at": "2026-11-20T17:00:00Z"} | returned
    assert put_response.status == 200
    assert put_response.content_type == "application/json; charset=utf-8"
    assert put_response.content | expected == put_response.content
    assert api_driver.get(path) == put_response


@pytest.mark.parametrize(
    ("path", "fields", "reformatted"),
    [
        (customer_path(), CUSTOMER_FIELDS, {"self_imposed_month_limit": 1000}),
        (order_path(), ORDER_FIELDS, {"order_amount": 500, "expires_at": "2026-11-20T23:00:00.250Z"}),
    ],
    ids=["customer", "order"],
)
def test_put_same_content_writes_nothing(
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    path: str,
    fields: dict[str, Any],
    reformatted: dict[str, Any],
) -> None:
    first_response = api_driver.put(path, **fields)
    items_before = ledger_table.all_items()
    aws_calls.calls.clear()

    assert api_driver.at(LATER).put(path, **fields | reformatted) == first_response

    assert ledger_table.all_items() == items_before
    assert "UpdateItem" not in aws_calls.calls


@pytest.mark.parametrize(
    ("path", "fields", "defaults"),
    [
        (customer_path(), CUSTOMER_FIELDS, {"status": "active"}),
        (order_path(), ORDER_FIELDS, {"status": "open", "order_type": "any"}),
    ],
    ids=["customer", "order"],
)
def test_put_omitted_fields_reset_to_defaults(
    api_driver: ApiDriver, path: str, fields: dict[str, Any], defaults: dict[str, Any]
) -> None:
    api_driver.put(path, **fields)

    content = api_driver.at(LATER).put(path).content

    assert {name: content[name] for name in fields} == dict.fromkeys(fields) | defaults
    assert content["merchant_updated_at"] == "2026-11-20T18:00:00Z"
    assert api_driver.get(path).content == content


def test_concurrent_put_repeated_until_content_stored(api_driver: ApiDriver, interleave: Interleaver) -> None:
    interleave(lambda: api_driver.put(order_path(), status="closed"))
    assert api_driver.at(LATER).put(order_path()).content["status"] == "open"

    interleave(lambda: api_driver.at(LATER + timedelta(minutes=1)).put(order_path(), status="closed"))
    content = api_driver.at(LATER + timedelta(hours=1)).put(order_path(), status="closed").content

    assert (content["status"], content["merchant_updated_at"]) == ("closed", "2026-11-20T18:01:00Z")
    assert api_driver.get(order_path()).content == content


def test_put_customer_keeps_balance_spending_and_reversal_counts(
    api_driver: ApiDriver, callback_driver: CallbackDriver, reverse: LambdaFunction
) -> None:
    callback_driver.authorize()
    callback_driver.confirm()
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1"))
    original = api_driver.get(customer_path()).content

    put_contents = [api_driver.put(customer_path(), **fields).content for fields in (CUSTOMER_FIELDS, {})]

    assert original["balance"] == "99.00"
    for content in put_contents:
        for name in ("balance", "spending", "chargebacks", "returns"):
            assert content[name] == original[name]


def test_payments_keep_merchant_fields_of_customer(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    put_content = api_driver.put(customer_path(), self_imposed_day_limit="5000.00").content
    payments_later = callback_driver.at(LATER)
    payments_later.authorize()
    payments_later.confirm()

    returned = api_driver.get(customer_path()).content

    names = (*CUSTOMER_FIELDS, "merchant_updated_at")
    assert {name: returned[name] for name in names} == {name: put_content[name] for name in names}
    assert returned["balance"] == "100.00"


def test_authorize_follows_merchant_data(
    api_driver: ApiDriver, callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(unknown_order="decline")
    assert not callback_driver.authorize("unknown")
    violated: dict[str, dict[str, Any]] = {
        "order_closed": {"status": "closed"},
        "order_expired": {"expires_at": "2026-11-20T16:59:59Z"},
        "order_amount_differs": {"order_type": "exact", "order_amount": "100.01"},
        "order_amount_too_low": {"minimum_payment_amount": "100.01"},
    }

    for reason, fields in violated.items():
        api_driver.put(order_path(), **fields)
        callback_driver.authorize(reason)
    api_driver.put(order_path())

    assert {name: callback_driver.item(name)["reason"] for name in violated} == {name: name for name in violated}
    assert callback_driver.authorize("valid")
    api_driver.put(customer_path(), status="suspended", suspended_reason="identity_check")
    assert not callback_driver.authorize("suspended")


def test_merchant_data_separate_per_identifier_and_site(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    customers = [customer_path(), customer_path("2"), customer_path(site=OTHER_SITE)]
    orders = [order_path(), order_path("2"), order_path(site=OTHER_SITE)]
    for path, amount in zip(customers, ["1000.00", "2000.00", "3000.00"], strict=True):
        api_driver.put(path, self_imposed_day_limit=amount)
    for path, amount in zip(orders, ["1.00", "2.00", "3.00"], strict=True):
        api_driver.put(path, order_amount=amount)
    callback_driver.confirm("1")
    callback_driver.confirm("2", payment_amount="0.02", site_customer_identifier="2")
    callback_driver.confirm("3", payment_amount="0.03", **site_changes(OTHER_SITE))

    returned = [api_driver.get(path).content for path in customers]
    assert [content["self_imposed_day_limit"] for content in returned] == ["1000.00", "2000.00", "3000.00"]
    assert [content["balance"] for content in returned] == ["100.00", "0.02", "0.03"]
    assert [content["spending"]["week"]["spent"] for content in returned] == ["100.00", "0.02", "0.03"]
    assert [api_driver.get(path).content["order_amount"] for path in orders] == ["1.00", "2.00", "3.00"]
    for path in (customer_path("2", site=OTHER_SITE), order_path("2", site=OTHER_SITE)):
        assert api_driver.get(path).status == 404


@pytest.mark.parametrize("identifier", ["ä/ö?#&=+ ", "%41", "..", "1" * 256])
def test_customer_identifier_any_callback_value_accepted(
    api_driver: ApiDriver, callback_driver: CallbackDriver, identifier: str
) -> None:
    api_driver.put(customer_path(identifier), self_imposed_day_limit="99.99")
    accepted = callback_driver.authorize(site_customer_identifier=identifier)
    callback_driver.confirm(site_customer_identifier=identifier)

    returned = api_driver.get(customer_path(identifier)).content
    assert not accepted
    assert returned["site_customer_identifier"] == identifier
    assert (returned["self_imposed_day_limit"], returned["balance"]) == ("99.99", "100.00")


@pytest.mark.parametrize(
    ("path", "content", "names"),
    [
        (customer_path(), {"status": "zq7", "balance": "1"}, {"status", "balance"}),
        (customer_path(), {"status": "suspended"}, {"suspended_reason"}),
        (order_path(), {"status": "zq7", "order_amount": "zq7", "test": True}, {"status", "order_amount", "test"}),
        (order_path(), {"order_type": "exact"}, {"order_amount"}),
        (order_path("a b"), {}, {"pnm_order_identifier"}),
    ],
)
def test_put_invalid_fields_reported_and_not_stored(
    api_driver: ApiDriver, ledger_table: LedgerFixture, path: str, content: dict[str, Any], names: set[str]
) -> None:
    response = api_driver.put(path, **content)

    assert parameter_errors(response).keys() == names
    assert "zq7" not in response.body
    assert ledger_table.all_items() == []
