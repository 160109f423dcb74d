"""What hypothesis makes stories of: policies, messages, and what can happen to a ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from tests.integration.ledger_model import WINDOWS, Limit, Rules, Told

GROUP = frozenset({"cash", "credit"})
RULES = (
    Rules("America/New_York"),
    Rules("America/New_York", (Limit("day", Decimal(150)),)),
    Rules("America/New_York", (Limit("day", Decimal(100), GROUP), Limit("week", Decimal(250)))),
    Rules(
        "Asia/Tokyo", (Limit("month", Decimal(200)), Limit("day", Decimal(60), frozenset({"other", "none"})))
    ),
    Rules("Europe/London", (Limit("week", Decimal(120), GROUP | {"none"}),), chargebacks=(0, 2)),
)
TESTER = "tester"
"""A customer of whom only tests tell."""
TYPES = {"cash": "cash", "credit": "credit", "debit": "debit", "zelle": "other", None: "none"}
"""Payment types as messages spell them, and as policies name them."""
STARTS = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
"""A Friday evening: before the end of the day, of the week and of the month, sooner in Tokyo."""

numbers = st.sampled_from(["0", "1", "2", "3", "4", "5"])
messages = st.fixed_dictionaries(
    {
        "pnm_payment_identifier": numbers,
        "site_customer_identifier": st.sampled_from(["ann", "ann", "ann", "bob", None]),
        "payment_amount": st.sampled_from(["20.00", "40.00", "60.00", "100.00"]),
        "payment_type": st.sampled_from(list(TYPES)),
    }
)
statuses = st.sampled_from(["payment", "payment", "decline"])
kinds = st.sampled_from(["Bank Return", "Chargeback", "Refund"])
often, rarely = st.sampled_from([True, True, False]), st.sampled_from([False, False, False, True])

ask = st.tuples(st.just("ask"), messages, rarely)
confirm = st.tuples(st.just("confirm"), messages, often, statuses, rarely)
release = st.tuples(st.just("release"), numbers)
reverse = st.tuples(st.just("reverse"), messages, kinds, st.integers(0, 2))
reverse_again = st.tuples(st.just("reverse_again"), st.integers(0, 9))
test = st.tuples(st.just("test"), messages, statuses, kinds)
wait = st.tuples(st.just("wait"), st.sampled_from([1, 8, 24, 48]))
deploy = st.tuples(st.just("deploy"), st.sampled_from(RULES))
set_own_limit = st.tuples(st.just("set_own_limit"), messages, st.sampled_from(WINDOWS))
events = st.one_of(
    ask,
    ask,
    ask,
    confirm,
    confirm,
    confirm,
    release,
    reverse,
    reverse_again,
    test,
    wait,
    deploy,
    set_own_limit,
)
"""What can happen: the name of a method of ``Stories``, and what it takes."""

type Message = dict[str, str | None]


def told_by(message: Mapping[str, str | None]) -> Told:
    return Told(
        Decimal(message["payment_amount"] or 0),
        message["site_customer_identifier"],
        TYPES[message["payment_type"]],
    )
