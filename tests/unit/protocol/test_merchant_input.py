from decimal import Decimal
from typing import get_args

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
LIMITS = ["self_imposed_day_limit", "self_imposed_week_limit", "self_imposed_month_limit"]


def order(**fields: str) -> OrderInput:
    return read_message(OrderInput, ORDER | fields)


def customer(**fields: str) -> CustomerInput:
    return read_message(CustomerInput, CUSTOMER | fields)


def validation_errors(model: type[Message], parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(model, parameters)
    return exc_info.value.errors


def test_merchant_input_defaults() -> None:
    assert order().model_dump(exclude=set(ORDER)) == {
        "status": "open",
        "order_type": "any",
        **dict.fromkeys(["order_amount", "minimum_payment_amount", "expires_at"]),
    }
    assert customer().model_dump(exclude=set(CUSTOMER)) == {
        "status": "active",
        **dict.fromkeys(["suspended_reason", *LIMITS]),
    }
    requests = [read_message(PaymentRequest, PAYMENT | fields) for fields in ({}, {"test": "true"}, {"test": "false"})]
    assert [request.test for request in requests] == [False, True, False]
    assert str(order()) == repr(order()) == "<OrderInput>"


def test_api_values_match_policy_enums() -> None:
    assert get_args(OrderStatusValue) == tuple(OrderStatus)
    assert get_args(OrderTypeValue) == tuple(OrderType)
    assert get_args(CustomerStatusValue) == tuple(CustomerStatus)
    assert set(SpendingResponse.model_fields) - {"time_zone"} == set(WindowKind)


@pytest.mark.parametrize("order_type", ["exact", "up-to"])
def test_order_input_exact_or_up_to_requires_amount(order_type: str) -> None:
    assert order(order_type=order_type, order_amount="10").order_type == order_type
    assert validation_errors(OrderInput, ORDER | {"order_type": order_type}) == {
        "order_amount": "is required with order_type exact and up-to"
    }


def test_order_input_minimum_positive_and_at_most_amount() -> None:
    amounts = {"order_amount": "0", "minimum_payment_amount": "0"}
    assert validation_errors(OrderInput, ORDER | amounts) == dict.fromkeys(amounts, "must be greater than zero")
    for amount in ({}, {"order_amount": "10.00"}):
        assert order(**amount, minimum_payment_amount="10.00").minimum_payment_amount == Decimal(10)
    fields = {"order_amount": "10.00", "minimum_payment_amount": "10.01"}
    assert validation_errors(OrderInput, ORDER | fields) == {"minimum_payment_amount": "must not exceed order_amount"}


@pytest.mark.parametrize("name", LIMITS)
def test_self_imposed_limit_zero_or_more_valid(name: str) -> None:
    assert getattr(customer(**{name: "0"}), name) == Decimal(0)
    assert validation_errors(CustomerInput, CUSTOMER | {name: "-0.01"}) == {name: "must not be negative"}


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
    invalid_code = CUSTOMER | {"status": "suspended", "suspended_reason": "a b"}
    assert validation_errors(CustomerInput, invalid_code).keys() == {"suspended_reason"}


@pytest.mark.parametrize(
    ("model", "identity", "fields"),
    [
        (OrderInput, ORDER, {"status": "must be open or closed", "order_type": "must be exact, up-to or any"}),
        (
            OrderInput,
            ORDER,
            dict.fromkeys(["order_amount", "minimum_payment_amount"], "must be an amount like 25.00")
            | {"expires_at": "must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00"},
        ),
        (CustomerInput, CUSTOMER, {"status": "must be active, suspended or closed"}),
        (PaymentRequest, PAYMENT, {"test": "must be true or false"}),
    ],
)
def test_merchant_input_invalid_fields_errors_described(
    model: type[Message], identity: dict[str, str], fields: dict[str, str]
) -> None:
    assert validation_errors(model, identity | dict.fromkeys(fields, "X")) == fields


@pytest.mark.parametrize(
    ("model", "identity"),
    [
        *((OrderRequest, ORDER), (OrderInput, ORDER), (PaymentRequest, PAYMENT)),
        *((CustomerRequest, CUSTOMER), (CustomerInput, CUSTOMER)),
    ],
)
def test_merchant_request_identifiers_required_others_rejected(model: type[Message], identity: dict[str, str]) -> None:
    assert validation_errors(model, {}) == dict.fromkeys(identity, "is required")
    assert validation_errors(model, {**identity, "balance": "1"}) == {"balance": "is not a parameter of this request"}
    for name in identity:
        assert validation_errors(model, identity | {name: ""}).keys() == {name}


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
            **{name: {"count": 0, "within_days": 1} for name in ("chargebacks", "returns")},
        }
    )
    assert response.model_dump(mode="json")["balance"] == "0.00"
