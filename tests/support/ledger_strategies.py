"""Hypothesis strategies for policies, messages and actions on the ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.ledger_model import WINDOWS, Limit, Received, Rules

GROUP = frozenset({"cash", "credit"})
RULES = (
    Rules("America/New_York"),
    Rules("America/New_York", (Limit("day", Decimal(150)),)),
    Rules("America/New_York", (Limit("day", Decimal(100), GROUP), Limit("week", Decimal(250)))),
    Rules("Asia/Tokyo", (Limit("month", Decimal(200)), Limit("day", Decimal(60), frozenset({"other", "none"})))),
    Rules("Europe/London", (Limit("week", Decimal(120), GROUP | {"none"}),), chargebacks=(0, 2)),
)
START_TIME = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
"""A Friday evening, shortly before the end of the day, the week and the month. These end earlier in Tokyo."""
TEST_CUSTOMER = "tester"
"""A customer with test payments only."""
TYPES = {"cash": "cash", "credit": "credit", "debit": "debit", "zelle": "other", None: "none"}
"""Policy names of payment types by parameter value."""

type Message = dict[str, str | None]

_messages = st.fixed_dictionaries(
    {
        "site_customer_identifier": st.sampled_from(["ann", "ann", "ann", "bob", None]),
        "payment_amount": st.sampled_from(["20.00", "40.00", "60.00", "100.00"]),
        "payment_type": st.sampled_from(list(TYPES)),
    }
)
_indexes = st.integers(0, 9)
_statuses = st.sampled_from(["payment", "payment", "decline"])
_kinds = st.sampled_from(["Bank Return", "Chargeback", "Refund"])
_mostly_true, _mostly_false = st.sampled_from([True, True, False]), st.sampled_from([False, False, False, True])
_arguments: Mapping[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "authorize": st.tuples(_messages),
    "authorize_again": st.tuples(_indexes, _messages, _mostly_true),
    "confirm": st.tuples(_indexes, _messages, _mostly_true, _statuses, _mostly_false),
    "release": st.tuples(_indexes),
    "sweep": st.tuples(),
    "reverse": st.tuples(_indexes, _messages, _kinds, st.integers(0, 2)),
    "reverse_again": st.tuples(_indexes),
    "send_test_messages": st.tuples(_indexes, _messages, _statuses, _kinds),
    "advance": st.tuples(st.sampled_from([1, 8, 24, 48])),
    "deploy": st.tuples(st.sampled_from(RULES)),
    "set_self_imposed_limit": st.tuples(_messages, st.sampled_from(WINDOWS)),
}
_frequent_actions = ("authorize", "authorize", "authorize", "confirm", "confirm", "confirm", "reverse")

actions = st.sampled_from([*_arguments, *_frequent_actions]).flatmap(
    lambda action: st.tuples(st.just(action), _arguments[action])
)
"""A method name of ``LedgerStateMachine`` and its arguments."""


def message_for(message: Message) -> Received:
    """Convert a message for the model."""
    return Received(
        Decimal(message["payment_amount"] or 0), message["site_customer_identifier"], TYPES[message["payment_type"]]
    )
