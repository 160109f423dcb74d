"""What only informs may be spelled as nobody expects: the payment goes on, and somebody hears of it."""

from decimal import Decimal

import pytest

from tests.integration.observed import Function, Stored, Written
from tests.integration.signed_callbacks import CUSTOMER, TRANSPORTS, authorization, confirmation

UNREADABLE = {
    "payment_date": "2025-06-03",
    "pnm_processing_fee": "4.990",
    "due_to_site_currency": "usd",
}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_authorization_is_accepted_and_the_names_are_noted(
    authorize: Function, stored: Stored, written: Written, transport: str
) -> None:
    answer = authorize(authorization(**UNREADABLE), TRANSPORTS[transport])

    assert answer.status == 200
    assert answer.fields["accept_payment"] == "yes"
    assert stored.payment()["decision"] == "accept"
    [line] = written.logs()
    assert line["ignored_parameters"] == sorted(UNREADABLE)
    assert written.counted("OptionalFieldsIgnored") == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_confirmation_is_acknowledged_and_posted_and_the_names_are_noted(
    confirm: Function, stored: Stored, written: Written, transport: str
) -> None:
    answer = confirm(confirmation(**UNREADABLE), TRANSPORTS[transport])

    assert answer.status == 200
    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    [line] = written.logs()
    assert line["ignored_parameters"] == sorted(UNREADABLE)
    assert written.counted("OptionalFieldsIgnored") == 1


@pytest.mark.parametrize("name", UNREADABLE)
def test_each_of_them_is_noted_by_name_and_never_by_value(
    confirm: Function, written: Written, name: str
) -> None:
    value = "zq7 " + UNREADABLE[name]
    assert confirm(confirmation(**{name: value})).status == 200

    [line] = written.logs()
    assert line["ignored_parameters"] == [name]
    assert value not in written.text()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"payment_date": "1748969961", "pnm_processing_fee": "4.99", "due_to_site_currency": "USD"},
        dict.fromkeys(UNREADABLE, ""),
        {"a_new_one": "?"},
    ],
    ids=["nothing", "readable", "empty", "unknown"],
)
def test_what_is_readable_or_absent_or_unknown_is_not_noted(
    confirm: Function, written: Written, said: dict[str, str]
) -> None:
    assert confirm(confirmation(**said)).status == 200

    [line] = written.logs()
    assert "ignored_parameters" not in line
    assert written.counted("OptionalFieldsIgnored") == 0


@pytest.mark.parametrize("name", ["payment_amount", "net_payment_amount", "net_payment_currency", "test"])
def test_what_decides_on_money_must_be_readable(
    confirm: Function, stored: Stored, written: Written, name: str
) -> None:
    assert confirm(confirmation(**{name: "4.990"})).status == 400

    assert stored.everything() == []
    assert written.counted("OptionalFieldsIgnored") == 0
