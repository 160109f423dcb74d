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


def test_order_input_defaults_any_amount_without_expiry() -> None:
    message = order()
    assert (message.status, message.order_type) == ("open", "any")
    assert (message.order_amount, message.minimum_payment_amount, message.expires_at) == (None, None, None)


def test_customer_input_defaults_active_without_limits() -> None:
    message = customer()
    assert (message.status, message.suspended_reason) == ("active", None)
    assert [getattr(message, name) for name in LIMITS] == [None, None, None]


def test_payment_request_test_default_false() -> None:
    requests = [read_message(PaymentRequest, PAYMENT | fields) for fields in ({}, {"test": "true"}, {"test": "false"})]
    assert [request.test for request in requests] == [False, True, False]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [(OrderStatusValue, OrderStatus), (OrderTypeValue, OrderType), (CustomerStatusValue, CustomerStatus)],
)
def test_api_values_match_policy_enums(values: Any, kinds: Any) -> None:
    assert get_args(values) == tuple(kinds)


def test_spending_response_windows_match_policy() -> None:
    assert set(SpendingResponse.model_fields) - {"time_zone"} == set(WindowKind)


@pytest.mark.parametrize("status", ["open", "closed"])
@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
def test_order_input_each_status_and_type_valid(status: str, order_type: str) -> None:
    message = order(status=status, order_type=order_type, order_amount="10")
    assert (message.status, message.order_type, message.order_amount) == (status, order_type, Decimal("10.00"))


@pytest.mark.parametrize("name", ["order_amount", "minimum_payment_amount"])
@pytest.mark.parametrize("text", ["0", "0.00", "-0", "-1", "", " 1", "1,00", "1.001", "1e3", "NaN", "1" * 13])
def test_order_input_amount_not_positive_money_invalid(name: str, text: str) -> None:
    assert validation_errors(OrderInput, ORDER | {name: text}).keys() == {name}


@pytest.mark.parametrize("order_type", ["exact", "up-to"])
def test_order_input_exact_or_up_to_requires_amount(order_type: str) -> None:
    assert validation_errors(OrderInput, ORDER | {"order_type": order_type}) == {
        "order_amount": "is required with order_type exact and up-to"
    }


@pytest.mark.parametrize(("minimum", "is_invalid"), [("9.99", False), ("10.00", False), ("10.01", True)])
@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
def test_order_input_minimum_must_not_exceed_amount(order_type: str, minimum: str, is_invalid: bool) -> None:
    fields = {"order_type": order_type, "order_amount": "10.00", "minimum_payment_amount": minimum}
    if is_invalid:
        assert validation_errors(OrderInput, ORDER | fields) == {
            "minimum_payment_amount": "must not exceed order_amount"
        }
    else:
        assert order(**fields).minimum_payment_amount == Decimal(minimum)


def test_order_input_minimum_without_amount_valid() -> None:
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
def test_order_input_expires_at_converted_to_utc(text: str, instant: datetime) -> None:
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
def test_order_input_expires_at_bad_time_or_offset_rejected(text: str) -> None:
    assert validation_errors(OrderInput, ORDER | {"expires_at": text}) == {
        "expires_at": "must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00"
    }


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(("text", "limit"), [("0", "0.00"), ("0.01", "0.01"), ("999999999999.99",) * 2])
def test_self_imposed_limit_zero_or_more_valid(name: str, text: str, limit: str) -> None:
    assert getattr(customer(**{name: text}), name) == Decimal(limit)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("text", "description"),
    [("-0.01", "must not be negative"), ("-0", "must not be negative"), ("", AMOUNT), ("0.001", AMOUNT)],
)
def test_self_imposed_limit_negative_or_malformed_rejected(name: str, text: str, description: str) -> None:
    assert validation_errors(CustomerInput, CUSTOMER | {name: text}) == {name: description}


def test_suspended_reason_only_with_status_suspended() -> None:
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
def test_suspended_reason_other_than_code_invalid(reason: str) -> None:
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
def test_enum_parameter_unknown_value_error_lists_values(
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
def test_merchant_request_identifiers_required_others_rejected(model: type[Message], identity: dict[str, str]) -> None:
    assert validation_errors(model, {}) == dict.fromkeys(identity, "is required")
    assert validation_errors(model, {**identity, "balance": "1"}) == {"balance": "is not a parameter of this request"}
    for name in identity:
        assert validation_errors(model, identity | {name: ""}).keys() == {name}


def test_order_input_validation_errors_all_reported() -> None:
    fields = {"status": "x", "order_type": "exact", "expires_at": "x", "minimum_payment_amount": "x", "x": "x"}
    assert validation_errors(OrderInput, ORDER | fields).keys() == {*fields, "order_amount"} - {"order_type"}


@pytest.mark.parametrize("message", [order(status="closed"), customer(status="closed")])
def test_merchant_input_repr_without_values(message: Message) -> None:
    assert "closed" not in repr(message) + str(message)


@given(st.decimals(-(10**20), 10**20, places=2))
def test_order_response_amount_serialized_with_cents(amount: Decimal) -> None:
    response = OrderResponse.model_validate(
        {**ORDER, "status": "open", "order_type": "any", "order_amount": amount.normalize()}
    )
    dumped_amount = response.model_dump(mode="json")["order_amount"]
    assert Decimal(dumped_amount) == amount
    assert dumped_amount[-3] == "."


def test_customer_response_without_balance_zero() -> None:
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
