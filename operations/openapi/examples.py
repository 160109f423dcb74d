"""Examples of requests and responses of the backend API, for one customer with a deposit."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from paynearme.protocol.api_responses import CustomerResponse, OrderResponse, PaymentResponse
from paynearme.protocol.create_order import CreateOrderResponse
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest, SubmittedPayment
from paynearme.protocol.payment_methods import PaymentMethods
from paynearme.protocol.smart_token import SmartTokenResponse

SMART_TOKEN_REQUEST: Mapping[str, Any] = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "flow_debit": True,
    "payment_amount": "100.00",
    "flow_return_url": "freehold-gaming://portal.freehold.us/cashier",
}
SMART_TOKEN_RESPONSE = SmartTokenResponse.model_validate(
    {
        "orders": [
            {
                "pnm_order_identifier": "80080175585",
                "site_order_identifier": "D-2026-11-20-17",
                "type": "any",
                "secure_smart_token": "the-token",
                "secure_smart_link": "https://www.paynearme-sandbox.com/pay/the-token",
                "order_tracking_url": "https://www.paynearme-sandbox.com/order/the-order",
            }
        ]
    }
).model_dump(mode="json")

CREATE_ORDER_REQUEST: Mapping[str, Any] = {
    "site_identifier": "S2155373459",
    "order_amount": "500.00",
    "order_currency": "USD",
    "order_type": "any",
    "order_is_standing": True,
    "site_customer_identifier": "773090000",
    "site_order_identifier": "D-2026-11-20-17",
    "site_customer_language": "en",
    "site_customer_state": "NY",
}
CREATE_ORDER_RESPONSE = CreateOrderResponse.model_validate(
    {
        "order": {
            "pnm_order_identifier": "80080175585",
            "site_order_identifier": "D-2026-11-20-17",
            "pnm_order_short_identifier": "LT95NN",
            "order_status": "open",
            "order_type": "any",
            "order_is_standing": "true",
            "order_amount": "500.00",
            "order_currency": "USD",
            "minimum_payment_amount": "0.00",
            "secure_smart_token": "the-token",
            "secure_smart_link": "https://www.paynearme-sandbox.com/ssl/the-token",
            "order_tracking_url": "https://www.paynearme-sandbox.com/80080175585",
            "customer": {"pnm_customer_identifier": "U4557822272", "site_customer_identifier": "773090000"},
            "electronic_payments": {
                "payment_methods": [
                    {"type": "ach", "fee_amount": "0.00", "fee_currency": "USD", "accounts": []},
                    {"type": "debit", "fee_amount": "0.00", "fee_currency": "USD", "accounts": []},
                ]
            },
        }
    }
).model_dump(mode="json")

FIND_PAYMENT_METHODS_REQUEST: Mapping[str, Any] = {
    "site_identifier": "S2155373459",
    "site_customer_identifier": "773090000",
}
PAYMENT_METHODS = PaymentMethods.model_validate(
    {
        "accounts": [
            {
                "payment_method_identifier": "76590ef5135ae",
                "status": "active",
                "description": "Demo Savings Account",
                "account_type": "Personal trustly_ach",
                "pull_enabled": "true",
                "push_enabled": "false",
                "number": "6213",
                "fee_amount": "0.00",
            }
        ]
    }
).model_dump(mode="json")

MAKE_PAYMENT_HEADERS: Mapping[str, str] = {IDEMPOTENCY_KEY: "4b1f9a52-6f0e-4c57-9d0c-6a1b4a1f7c3e"}
MAKE_PAYMENT_REQUEST: Mapping[str, Any] = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "payment_method_identifier": "76590ef5135ae",
    "payment_amount": "100.00",
    "payment_currency": "USD",
    "site_channel": "consumer",
}
SITE_PAYMENT_IDENTIFIER = MakePaymentRequest.model_validate(
    {**MAKE_PAYMENT_HEADERS, **MAKE_PAYMENT_REQUEST}
).site_payment_identifier("S2155373459")
SUBMITTED_PAYMENT = SubmittedPayment(
    status="submitted",
    site_payment_identifier=SITE_PAYMENT_IDENTIFIER,
    pnm_payment_identifier="830466818968",
    pnm_order_identifier="80080175585",
    payment_method_identifier="76590ef5135ae",
    payment_amount=Decimal("100.00"),
    payment_currency="USD",
).model_dump(mode="json")

ORDER_INPUT: Mapping[str, Any] = {
    "status": "open",
    "order_type": "up-to",
    "order_amount": "500.00",
    "minimum_payment_amount": "20.00",
    "expires_at": "2026-11-30T23:59:59-05:00",
}
ORDER = OrderResponse.model_validate(
    {
        **ORDER_INPUT,
        "site_identifier": "S2155373459",
        "pnm_order_identifier": "80080175585",
        "expires_at": "2026-12-01T04:59:59Z",
        "merchant_updated_at": "2026-11-20T16:55:12.482901Z",
    }
).model_dump(mode="json")

CUSTOMER_INPUT: Mapping[str, Any] = {
    "status": "suspended",
    "suspended_reason": "identity_check",
    "self_imposed_day_limit": "200.00",
    "self_imposed_week_limit": "500.00",
}
CUSTOMER = CustomerResponse.model_validate(
    {
        **CUSTOMER_INPUT,
        "site_identifier": "S2155373459",
        "site_customer_identifier": "773090000",
        "merchant_updated_at": "2026-11-20T18:20:00.100315Z",
        "balance": "75.00",
        "spending": {
            "time_zone": "America/New_York",
            "day": {"window": "2026-11-20", "spent": "100.00", "by_payment_type": {"debit": "100.00"}},
            "week": {"window": "2026-W47", "spent": "145.50", "by_payment_type": {"cash": "45.50", "debit": "100.00"}},
            "month": {"window": "2026-11", "spent": "145.50", "by_payment_type": {"cash": "45.50", "debit": "100.00"}},
        },
        "chargebacks": {"count": 0, "within_days": 180},
        "returns": {"count": 1, "within_days": 90},
    }
).model_dump(mode="json")

PAYMENT = PaymentResponse.model_validate(
    {
        "site_identifier": "S2155373459",
        "pnm_payment_identifier": "830466818968",
        "test": False,
        "pnm_order_identifier": "80080175585",
        "site_customer_identifier": "773090000",
        "site_order_identifier": "D-2026-11-20-17",
        "site_payment_identifier": "7d6f0cf9-2d9c-5ad7-8dbb-a61a1ed1d7cf",
        "payment_type": "debit",
        "decision": "accept",
        "reason": "accepted",
        "decided_at": "2026-11-20T17:00:00.213Z",
        "policy_version": "0a1b2c3d4e5f",
        "authorized_amount": "100.00",
        "authorized_currency": "USD",
        "authorized_net": "97.50",
        "authorized_order": "80080175585",
        "authorized_customer": "773090000",
        "outcome": "payment",
        "confirmed_at": "2026-11-20T17:00:09.870Z",
        "confirmed_amount": "100.00",
        "confirmed_currency": "USD",
        "confirmed_net": "97.50",
        "confirmed_order": "80080175585",
        "confirmed_customer": "773090000",
        "standin": False,
        "posted_amount": "97.50",
        "reservation": {
            "site_customer_identifier": "773090000",
            "amount": "100.00",
            "payment_type": "debit",
            "windows": {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"},
        },
        "anomalies": [],
        "reversed_amount": "22.50",
        "debited_amount": "22.50",
        "reversals": [
            {
                "at": "2026-11-24T09:12:44.018Z",
                "kind": "return",
                "type": "Bank Return",
                "code": "R01",
                "amount": "22.50",
                "debited_amount": "22.50",
            }
        ],
        "quarantined": [],
    }
).model_dump(mode="json")
