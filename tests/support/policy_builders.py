"""A valid policy and a payment that it accepts, of which each test changes one thing."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from paynearme.errors import PolicyInvalidError
from paynearme.policy import (
    Decision,
    DecisionContext,
    MerchantCustomer,
    MerchantOrder,
    PolicyDocument,
    SitePolicy,
    WindowKind,
    WindowTotals,
    decide,
    read_policy,
)
from paynearme.policy.rules import Evaluation
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.parsing import read_message
from tests.support.message_fixtures import valid_authorization

NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
"""A Friday, about noon in New York."""

type Changes = Mapping[str, Any]
_NONE: Mapping[Any, Any] = MappingProxyType({})


def valid_document(**changes: Any) -> dict[str, Any]:
    """Return a document whose defaults are the required fields and ``changes``, and that names no site."""
    required = {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "America/New_York"}
    return {"defaults": {**required, **changes}}


def full_document() -> dict[str, Any]:
    """Return a document with every field that there is."""
    return {
        **valid_document(
            currency="USD",
            payment_types=["cash", "credit", "none", "other"],
            channels=["consumer", "consumer_recurring", "none", "other"],
            subchannels=["scheduled_one_time", "none", "other"],
            amounts={
                "cash": {"minimum": "20.00", "maximum": "500"},
                "credit": {"minimum": "10"},
                "other": {},
            },
            chargebacks={"max_count": 1, "within_days": 90},
            returns={"max_count": 2, "within_days": 365},
            spending_limits=[
                {"window": "day", "amount": "500.00"},
                {"window": "week", "amount": "1000.5", "payment_types": ["cash", "none"]},
            ],
            texts={
                "accepted": {"receipt": "Paid {payment_amount}<br><pnm_fee />"},
                "order_closed": {"decline_reason": "{order} is closed", "receipt": "Closed on {date}"},
            },
        ),
        "sites": {"S2155373459": {"time_zone": "America/Chicago", "texts": {"order_closed": {"receipt": "Closed"}}}},
    }


def parse_document(document: Any) -> PolicyDocument:
    """Return ``document`` as a policy's author would have it: written as JSON, and read."""
    return read_policy(json.dumps(document))


def errors_of(text: str) -> list[str]:
    """Return what ``read_policy`` finds wrong with ``text``. Fails if it finds nothing."""
    with pytest.raises(PolicyInvalidError) as raised:
        read_policy(text)
    return raised.value.errors


def single_error(text: str, part: str = "receipt", reason: str = "order_closed") -> str:
    """Return what is wrong with a text. Fails if it is nothing, or told of another place."""
    (error,) = errors_of(json.dumps(valid_document(texts={reason: {part: text}})))
    path, _, description = error.partition(": ")
    assert path == f"defaults.texts.{reason}.{part}"
    return description


def policy(**changes: Any) -> SitePolicy:
    """Return the policy of a site that accepts everything, but for what ``changes`` say."""
    return parse_document(valid_document(**changes)).defaults


def authorization(**changes: str | None) -> Authorization:
    """Return a valid authorization of 354.99 dollars that names a customer."""
    return read_message(Authorization, valid_authorization(**{"site_customer_identifier": "171960000", **changes}))


def totals(**amounts: str) -> dict[WindowKind, WindowTotals]:
    """Return what a customer spent: a total by window, with no telling of types."""
    return {WindowKind(window): WindowTotals(Decimal(amount)) for window, amount in amounts.items()}


def case(
    *,
    message: Mapping[str, str | None] = _NONE,
    policy: Changes = _NONE,
    order: Changes | None = _NONE,
    customer: Changes | None = _NONE,
    spending: Mapping[WindowKind, WindowTotals] = _NONE,
    chargebacks: Mapping[date, int] = _NONE,
    returns: Mapping[date, int] = _NONE,
    now: datetime = NOW,
) -> Evaluation:
    """Return a payment that is accepted, changed. An order or a customer of None is one that nobody fed."""
    context = DecisionContext(
        order=None if order is None else MerchantOrder(**order),
        customer=None if customer is None else MerchantCustomer(**customer),
        spending=dict(spending),
        chargebacks=dict(chargebacks),
        returns=dict(returns),
    )
    return Evaluation(authorization(**message), context, parse_document(valid_document(**policy)).defaults, now)


def decide_case(case: Evaluation) -> Decision:
    """Return the decision on a case."""
    return decide(case.message, case.context, case.policy, case.now)


def receipt_of(template: str, **message: str | None) -> str:
    """Return what a consumer reads of an acceptance whose receipt is ``template``."""
    return decide_case(case(policy={"texts": {"accepted": {"receipt": template}}}, message=message)).receipt
