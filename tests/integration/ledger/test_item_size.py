"""The size of a payment's item: a transaction that writes more than 1,024 bytes costs twice the write units."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.support.callback_driver import NOON, CallbackDriver
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.harness import LambdaFunction, LedgerFixture

CUSTOMER_UUID, ORDER_UUID = "1f6b1b5e-5d0b-4a3e-8f57-0a4f0f6d2c11", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TYPICAL: Mapping[str, str] = {
    "site_customer_identifier": CUSTOMER_UUID,
    "site_order_identifier": ORDER_UUID,
    "net_payment_amount": "350.00",
    "net_payment_currency": "USD",
}
"""Identifiers of a merchant with UUIDs."""


def size(value: Any) -> int:
    """Return the bytes of a value as DynamoDB counts them."""
    match value:
        case bool():
            return 1
        case Decimal():
            return 1 + (len(value.normalize().as_tuple().digits) + 1) // 2
        case list():
            return 3 + sum(1 + size(element) for element in value)
        case Mapping():
            return 3 + sum(1 + len(name) + size(element) for name, element in value.items())
        case set():
            return sum(map(size, value))
    return len(value.encode())


def item_size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + size(value) for name, value in item.items())


def test_payment_item_typical_within_one_kibibyte(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    authorize(authorization(**TYPICAL))
    authorized = ledger_table.payment()
    confirm(confirmation(**TYPICAL, site_payment_identifier=authorized["site_payment_identifier"]))
    confirmed = ledger_table.payment()

    assert (authorized["receipt"], confirmed["outcome"]) == (confirmed["receipt"], "payment")
    assert item_size(authorized) <= 900
    assert item_size(confirmed) <= 1024


def test_spending_item_five_payment_types_within_one_kibibyte(callback_driver: CallbackDriver) -> None:
    # The month, the week and the day change twice.
    for days in (0, 31, 62, 63):
        for payment_type in ("ach", "cash", "credit", "debit", "paypal"):
            payments = callback_driver.at(NOON + timedelta(days=days))
            assert payments.authorize(
                f"{days}{payment_type}", site_customer_identifier=CUSTOMER_UUID, payment_type=payment_type
            )

    spending = callback_driver.spending(CUSTOMER_UUID)
    assert len(callback_driver.spent(CUSTOMER_UUID)) == 6
    assert item_size(spending) <= 1024
