"""Examples of calls of the backend API and of its answers: of one customer who deposits."""

from collections.abc import Mapping
from typing import Any

from paynearme.messages import SmartTokenAnswer
from paynearme.messages.records import CustomerRecord, OrderRecord, PaymentRecord

TOKEN_REQUEST: Mapping[str, Any] = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "flow_debit": True,
    "payment_amount": "100.00",
    "flow_return_url": "freehold-gaming://portal.freehold.us/cashier",
}
TOKEN_ANSWER = SmartTokenAnswer.model_validate(
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

ORDER_ENTRY: Mapping[str, Any] = {
    "status": "open",
    "order_type": "up-to",
    "order_amount": "500.00",
    "minimum_payment_amount": "20.00",
    "expires_at": "2026-11-30T23:59:59-05:00",
}
ORDER = OrderRecord.model_validate(
    {
        **ORDER_ENTRY,
        "site_identifier": "S2155373459",
        "pnm_order_identifier": "80080175585",
        "expires_at": "2026-12-01T04:59:59Z",
        "fed_at": "2026-11-20T16:55:12.482901Z",
    }
).model_dump(mode="json")

CUSTOMER_ENTRY: Mapping[str, Any] = {
    "status": "suspended",
    "suspended_reason": "identity_check",
    "own_day_limit": "200.00",
    "own_week_limit": "500.00",
}
CUSTOMER = CustomerRecord.model_validate(
    {
        **CUSTOMER_ENTRY,
        "site_identifier": "S2155373459",
        "site_customer_identifier": "773090000",
        "fed_at": "2026-11-20T18:20:00.100315Z",
        "balance": "75.00",
        "spending": {
            "time_zone": "America/New_York",
            "day": {
                "window": "2026-11-20",
                "spent": "100.00",
                "by_payment_type": {"debit": "100.00"},
            },
            "week": {
                "window": "2026-W47",
                "spent": "145.50",
                "by_payment_type": {"cash": "45.50", "debit": "100.00"},
            },
            "month": {
                "window": "2026-11",
                "spent": "145.50",
                "by_payment_type": {"cash": "45.50", "debit": "100.00"},
            },
        },
        "chargebacks": {"count": 0, "within_days": 180},
        "returns": {"count": 1, "within_days": 90},
    }
).model_dump(mode="json")

PAYMENT = PaymentRecord.model_validate(
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
        "policy": "0a1b2c3d4e5f",
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
        "spending": {
            "site_customer_identifier": "773090000",
            "amount": "100.00",
            "payment_type": "debit",
            "windows": {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"},
        },
        "anomalies": [],
        "reversed_amount": "22.50",
        "taken_back": "22.50",
        "reversals": [
            {
                "at": "2026-11-24T09:12:44.018Z",
                "kind": "return",
                "type": "Bank Return",
                "code": "R01",
                "amount": "22.50",
                "taken_back": "22.50",
            }
        ],
    }
).model_dump(mode="json")
