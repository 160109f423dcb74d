from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.errors import ValidationFailedError
from paynearme.policy import CustomerStatus, OrderStatus, OrderType, WindowKind
from paynearme.protocol.api_responses import (
    CustomerResponse,
    CustomerStatusValue,
    OrderResponse,
    OrderStatusValue,
    OrderTypeValue,
    SpendingResponse,
)
from paynearme.protocol.merchant_input import CustomerInput, CustomerRequest, OrderInput, OrderRequest, PaymentRequest
from paynearme.protocol.parsing import Message, read_message

ORDER = {"site_identifier": "S2155373459", "pnm_order_identifier": "80080175585"}
CUSTOMER = {"site_identifier": "S2155373459", "site_customer_identifier": "773090000"}
PAYMENT = {"site_identifier": "S2155373459", "pnm_payment_identifier": "830466818968"}
AMOUNT = "must be an amount like 25.00"
LIMITS = ["self_imposed_day_limit", "self_imposed_week_limit", "self_imposed_month_limit"]


def order(**fields: str) -> OrderInput:
    return read_message(OrderInput, ORDER | fields)


def customer(**fields: str) -> CustomerInput:
    return read_message(CustomerInput, CUSTOMER | fields)


def validation_errors(model: type[Message], parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(model, parameters)
    return exc_info.value.errors


def test_an_order_of_which_nothing_is_said_is_open_for_any_amount_for_ever() -> None:
    message = order()
    assert (message.status, message.order_type) == ("open", "any")
    assert (message.order_amount, message.minimum_payment_amount, message.expires_at) == (None, None, None)


def test_a_customer_of_whom_nothing_is_said_is_active_without_limits() -> None:
    message = customer()
    assert (message.status, message.suspended_reason) == ("active", None)
    assert [getattr(message, name) for name in LIMITS] == [None, None, None]


def test_a_payment_is_a_real_one_unless_it_is_said_to_be_a_test() -> None:
    requests = [read_message(PaymentRequest, PAYMENT | fields) for fields in ({}, {"test": "true"}, {"test": "false"})]
    assert [request.test for request in requests] == [False, True, False]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [(OrderStatusValue, OrderStatus), (OrderTypeValue, OrderType), (CustomerStatusValue, CustomerStatus)],
)
def test_what_can_be_said_is_what_the_policys_rules_know(values: Any, kinds: Any) -> None:
    assert get_args(values) == tuple(kinds)


def test_spending_is_told_for_the_windows_that_limits_know() -> None:
    assert set(SpendingResponse.model_fields) - {"time_zone"} == set(WindowKind)


@pytest.mark.parametrize("status", ["open", "closed"])
@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
def test_each_status_and_type_can_be_said(status: str, order_type: str) -> None:
    message = order(status=status, order_type=order_type, order_amount="10")
    assert (message.status, message.order_type, message.order_amount) == (status, order_type, Decimal("10.00"))


@pytest.mark.parametrize("name", ["order_amount", "minimum_payment_amount"])
@pytest.mark.parametrize("text", ["0", "0.00", "-0", "-1", "", " 1", "1,00", "1.001", "1e3", "NaN", "1" * 13])
def test_an_orders_amount_is_money_and_more_than_nothing(name: str, text: str) -> None:
    assert validation_errors(OrderInput, ORDER | {name: text}).keys() == {name}


@pytest.mark.parametrize("order_type", ["exact", "up-to"])
def test_a_bounded_order_needs_its_amount(order_type: str) -> None:
    assert validation_errors(OrderInput, ORDER | {"order_type": order_type}) == {
        "order_amount": "is required with order_type exact and up-to"
    }


@pytest.mark.parametrize(("minimum", "is_invalid"), [("9.99", False), ("10.00", False), ("10.01", True)])
@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
def test_the_minimum_is_not_above_the_amount(order_type: str, minimum: str, is_invalid: bool) -> None:
    fields = {"order_type": order_type, "order_amount": "10.00", "minimum_payment_amount": minimum}
    if is_invalid:
        assert validation_errors(OrderInput, ORDER | fields) == {
            "minimum_payment_amount": "must not exceed order_amount"
        }
    else:
        assert order(**fields).minimum_payment_amount == Decimal(minimum)


def test_a_minimum_needs_no_amount() -> None:
    assert order(minimum_payment_amount="5").minimum_payment_amount == Decimal("5.00")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T18:00:00Z", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-20t18:00:00z", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-20T18:00:00-05:00", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("2026-11-20T18:00:00+05:30", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("2026-11-20T18:00:00-00:00", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-12-31T23:59:59.999999-01:00", datetime(2027, 1, 1, 0, 59, 59, 999999, tzinfo=UTC)),
        ("2026-11-20T18:00:00.1234567Z", datetime(2026, 11, 20, 18, 0, 0, 123456, tzinfo=UTC)),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_an_order_expires_at_a_moment_of_utc(text: str, instant: datetime) -> None:
    expires_at = order(expires_at=text).expires_at
    assert expires_at == instant
    assert expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "1763661600", "2026-11-20", "2026-11-20T18:00:00", "2026-11-20 18:00:00Z"),
        *("2026-11-20T18:00Z", "2026-11-20T18:00:00+0500", "2026-11-20T18:00:00+05", "20261120T180000Z"),
        *("2026-02-29T18:00:00Z", "2026-13-01T18:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T23:59:60Z"),
        *("2026-11-20T18:00:00+24:00", "2026-11-20T18:00:00-05:60", "2026-11-20T18:00:00.Z"),
        *("2026-11-20T18:00:00Z\n", " 2026-11-20T18:00:00Z", "٢٠٢٦-11-20T18:00:00Z", "2026-W47-5T18:00:00Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z"),
    ],
)
def test_a_time_without_its_offset_or_that_does_not_exist_is_refused(text: str) -> None:
    assert validation_errors(OrderInput, ORDER | {"expires_at": text}) == {
        "expires_at": "must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00"
    }


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(("text", "limit"), [("0", "0.00"), ("0.01", "0.01"), ("999999999999.99",) * 2])
def test_an_own_limit_is_money_and_may_be_nothing(name: str, text: str, limit: str) -> None:
    assert getattr(customer(**{name: text}), name) == Decimal(limit)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("text", "description"),
    [("-0.01", "must not be negative"), ("-0", "must not be negative"), ("", AMOUNT), ("0.001", AMOUNT)],
)
def test_an_own_limit_that_is_none_is_refused(name: str, text: str, description: str) -> None:
    assert validation_errors(CustomerInput, CUSTOMER | {name: text}) == {name: description}


def test_a_suspended_customer_has_a_reason_and_nobody_else_has() -> None:
    message = customer(status="suspended", suspended_reason="identity_check")
    assert (message.status, message.suspended_reason) == ("suspended", "identity_check")
    assert validation_errors(CustomerInput, CUSTOMER | {"status": "suspended"}) == {
        "suspended_reason": "is required with status suspended"
    }
    for status in ({}, {"status": "active"}, {"status": "closed"}):
        assert validation_errors(CustomerInput, CUSTOMER | status | {"suspended_reason": "x"}) == {
            "suspended_reason": "requires status suspended"
        }


@pytest.mark.parametrize("reason", ["", "A", "a b", "a-b", "é", "a\n", "1" * 65])
def test_a_reason_is_a_code_and_no_text(reason: str) -> None:
    fields = {"status": "suspended", "suspended_reason": reason}
    assert validation_errors(CustomerInput, CUSTOMER | fields).keys() == {"suspended_reason"}


@pytest.mark.parametrize(
    ("model", "identity", "name", "description"),
    [
        (OrderInput, ORDER, "status", "must be open or closed"),
        (OrderInput, ORDER, "order_type", "must be exact, up-to or any"),
        (CustomerInput, CUSTOMER, "status", "must be active, suspended or closed"),
    ],
)
@pytest.mark.parametrize("value", ["", "OPEN", "Any", "none", "true", "open "])
def test_another_word_is_refused_with_those_that_are_known(
    model: type[Message], identity: dict[str, str], name: str, description: str, value: str
) -> None:
    assert validation_errors(model, identity | {name: value}) == {name: description}


@pytest.mark.parametrize(
    ("model", "identity"),
    [
        (OrderRequest, ORDER),
        (OrderInput, ORDER),
        (CustomerRequest, CUSTOMER),
        (CustomerInput, CUSTOMER),
        (PaymentRequest, PAYMENT),
    ],
)
def test_a_call_names_what_it_is_about_and_knows_no_other_parameter(
    model: type[Message], identity: dict[str, str]
) -> None:
    assert validation_errors(model, {}) == dict.fromkeys(identity, "is required")
    assert validation_errors(model, {**identity, "balance": "1"}) == {"balance": "is not a parameter of this request"}
    for name in identity:
        assert validation_errors(model, identity | {name: ""}).keys() == {name}


def test_all_faults_are_named_at_once() -> None:
    fields = {"status": "x", "order_type": "exact", "expires_at": "x", "minimum_payment_amount": "x", "x": "x"}
    assert validation_errors(OrderInput, ORDER | fields).keys() == {*fields, "order_amount"} - {"order_type"}


@pytest.mark.parametrize("message", [order(status="closed"), customer(status="closed")])
def test_an_entry_shows_nothing_that_it_says(message: Message) -> None:
    assert "closed" not in repr(message) + str(message)


@given(st.decimals(-(10**20), 10**20, places=2))
def test_an_amount_is_told_to_the_cent(amount: Decimal) -> None:
    response = OrderResponse.model_validate(
        {**ORDER, "status": "open", "order_type": "any", "order_amount": amount.normalize()}
    )
    dumped_amount = response.model_dump(mode="json")["order_amount"]
    assert Decimal(dumped_amount) == amount
    assert dumped_amount[-3] == "."


def test_a_customer_without_a_balance_has_none() -> None:
    window = {"window": "w", "spent": Decimal(0), "by_payment_type": {}}
    response = CustomerResponse.model_validate(
        {
            **CUSTOMER,
            "spending": {"time_zone": "UTC", "day": window, "week": window, "month": window},
            "chargebacks": {"count": 0, "within_days": 1},
            "returns": {"count": 0, "within_days": 1},
        }
    )
    assert response.model_dump(mode="json")["balance"] == "0.00"
