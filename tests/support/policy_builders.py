"""Builders of policies and of payments that they accept. Each test changes one part."""

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
_NO_CHANGES: Mapping[Any, Any] = MappingProxyType({})


def valid_document(**changes: Any) -> dict[str, Any]:
    """Return a document without sites. Its defaults have the required fields and ``changes``."""
    required = {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "America/New_York"}
    return {"defaults": {**required, **changes}}


def full_document() -> dict[str, Any]:
    """Return a document with every field."""
    return {
        **valid_document(
            currency="USD",
            pause_payments=True,
            payment_types=["cash", "credit", "none", "other"],
            channels=["consumer", "consumer_recurring", "none", "other"],
            subchannels=["scheduled_one_time", "none", "other"],
            amounts={"cash": {"minimum": "20.00", "maximum": "500"}, "credit": {"minimum": "10"}, "other": {}},
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
    """Write ``document`` as JSON and read it."""
    return read_policy(json.dumps(document))


def errors_of(text: str) -> list[str]:
    """Return the errors of ``read_policy`` for ``text``. Fails if it raises none."""
    with pytest.raises(PolicyInvalidError) as raised:
        read_policy(text)
    return raised.value.errors


def policy(**changes: Any) -> SitePolicy:
    """Return a site policy that accepts every payment, with ``changes``."""
    return parse_document(valid_document(**changes)).defaults


def authorization(**changes: str | None) -> Authorization:
    """Return a valid authorization of 354.99 dollars with a customer."""
    return read_message(Authorization, valid_authorization(**{"site_customer_identifier": "171960000", **changes}))


def totals(**amounts: str) -> dict[WindowKind, WindowTotals]:
    """Return the spending of a customer by window, without payment types."""
    return {WindowKind(window): WindowTotals(Decimal(amount)) for window, amount in amounts.items()}


def case(
    *,
    message: Mapping[str, str | None] = _NO_CHANGES,
    policy: Changes = _NO_CHANGES,
    order: Changes | None = _NO_CHANGES,
    customer: Changes | None = _NO_CHANGES,
    spending: Mapping[WindowKind, WindowTotals] = _NO_CHANGES,
    chargebacks: Mapping[date, int] = _NO_CHANGES,
    returns: Mapping[date, int] = _NO_CHANGES,
    now: datetime = NOW,
) -> Evaluation:
    """Return the input of the rules for an accepted payment with changes. ``None`` is an unknown order or customer."""
    context = DecisionContext(
        order=None if order is None else MerchantOrder(**order),
        customer=None if customer is None else MerchantCustomer(**customer),
        spending=dict(spending),
        chargebacks=dict(chargebacks),
        returns=dict(returns),
    )
    return Evaluation(authorization(**message), context, parse_document(valid_document(**policy)).defaults, now)


def decide_case(evaluation: Evaluation) -> Decision:
    """Return the decision for an evaluation."""
    return decide(evaluation.message, evaluation.context, evaluation.policy, evaluation.now)
