"""The ledger against a plain model of it, over stories that hypothesis makes up."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from paynearme.deadline import Deadline
from paynearme.ledger import Ledger, items
from paynearme.messages import Authorization, Confirmation, Reversal, read_message
from paynearme.policy import Customer, SitePolicy, WindowKind
from paynearme.table import Item, Table, Update
from tests.integration.ledger_events import RULES, STARTS, TESTER, Message, events, messages, told_by
from tests.integration.ledger_model import WINDOWS, Books, Payment, Rules, Told
from tests.integration.observed import Stored
from tests.integration.signed_callbacks import SITE
from tests.messages import valid_authorization, valid_confirmation, valid_reversal
from tests.policies import read


class Stories(RuleBasedStateMachine):
    """What happens, happens to the ledger and to the books; after each step they are compared."""

    stored: Stored

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(self.stored.table_name, self.stored.client)
        self.ledger = Ledger(self.table)
        self.books = Books()
        self.now = STARTS
        self.in_force = RULES[0]
        self.questions: dict[str, Message] = {}
        self.reversals: list[Message] = []

    @property
    def policy(self) -> SitePolicy:
        return read(self.in_force.to_document()).defaults

    @property
    def deadline(self) -> Deadline:
        return Deadline.after(60)

    @initialize(rules=st.sampled_from(RULES), asked=st.lists(messages, min_size=3, max_size=6))
    def begin(self, rules: Rules, asked: list[Message]) -> None:
        self.in_force = rules
        for number, message in enumerate(asked):
            self._ask({**message, "pnm_payment_identifier": str(number)})

    # One rule: of several, hypothesis leaves out most in most of its stories.
    @rule(event=events)
    def happen(self, event: tuple[Any, ...]) -> None:
        what, *details = event
        getattr(self, what)(*details)

    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def deploy(self, rules: Rules) -> None:
        self.in_force = rules

    def set_own_limit(self, message: Message, window: str) -> None:
        customer, amount = message["site_customer_identifier"] or "bob", message["payment_amount"]
        self.books.own_limits.setdefault(customer, {})[window] = Decimal(amount or 0)
        own = {WindowKind(name): most for name, most in self.books.own_limits[customer].items()}
        values = items.customer_values(Customer(own_limits=own))
        self.table.update(Update(*items.account_key(SITE, customer), values), self.deadline)

    def ask(self, message: Message, again: bool) -> None:
        self._ask(self._known(message) if again else message)

    def confirm(self, message: Message, as_asked: bool, status: str, without_policy: bool) -> None:
        self._confirm(self._known(message) if as_asked else message, status, without_policy)

    def release(self, number: str) -> None:
        released = self.ledger.release(SITE, number, self.now, self.deadline)
        assert released is self.books.release(number)

    def reverse(self, message: Message, kind: str, days_ago: int) -> None:
        back: Message = {
            "pnm_payment_identifier": message["pnm_payment_identifier"],
            "site_customer_identifier": message["site_customer_identifier"],
            "reverse_amount": message["payment_amount"],
            "reverse_type": kind,
            "reverse_code": None,
        }
        self.reversals.append(back)
        self._reverse(back, self.now - timedelta(days=days_ago))

    def reverse_again(self, which: int) -> None:
        if self.reversals:
            self._reverse(self.reversals[which % len(self.reversals)], self.now)

    def test(self, message: Message, status: str, kind: str) -> None:
        customer = {"ann": "ann"}.get(message["site_customer_identifier"] or "", TESTER)
        told = message | {"test": "true", "site_customer_identifier": customer}
        reversal = read_message(Reversal, valid_reversal(**told, reverse_type=kind))
        self.ledger.authorize(self._authorization(told), self.policy, self.now, self.deadline)
        self.ledger.confirm(self._confirmation(told, status), self.policy, self.now, self.deadline)
        self.ledger.reverse(reversal, self.now, self.deadline)

    @invariant()
    def ledger_and_books_agree(self) -> None:
        everything = self.stored.everything()
        payments = {
            item["pk"].split("#")[-1]: item for item in everything if item["pk"].startswith("PAYMENT#")
        }
        windows_hold_the_sum_of_what_their_payments_hold(everything, payments.values())
        for number, known in self.books.payments.items():
            payments_are_as_they_should_be(payments.get(number, {}), known)
        accounts = [item for item in everything if item["sk"] == "ACCOUNT" and "balance" in item]
        balances = {item["site_customer_identifier"]: item["balance"] for item in accounts}
        assert balances == self.books.balances()
        counted = {
            (item["pk"].split("#")[-1], name): number
            for item in everything
            if item["sk"].startswith("REVERSALS#")
            for name, number in item.items()
            if name.startswith(("chargebacks_", "returns_"))
        }
        assert counted == self.books.counted_back
        assert not [item for item in everything if item["pk"].endswith(f"#{TESTER}")]

    def teardown(self) -> None:
        for item in self.stored.everything():
            key: Any = {name: {"S": item[name]} for name in ("pk", "sk")}
            self.stored.client.delete_item(TableName=self.stored.table_name, Key=key)

    def _known(self, message: Message) -> Message:
        """Return what was asked about the payment of ``message`` first, or ``message`` if nothing was."""
        return self.questions.get(message["pnm_payment_identifier"] or "", message)

    def _ask(self, message: Message) -> None:
        number, told = message["pnm_payment_identifier"] or "", told_by(message)
        first = number not in self.questions
        self.questions.setdefault(number, message)
        authorization = self._authorization(message)
        answer = self.ledger.authorize(authorization, self.policy, self.now, self.deadline)
        assert answer.decision.reason == self.books.ask(number, told, self.in_force, self.now)
        assert answer.decision.accept is (answer.decision.reason == "accepted")
        payment = self.books.payments[number]
        if first and payment.holds and answer.decision.accept and not payment.outcome:
            self._check_limits(told, payment.holds.windows)

    def _check_limits(self, told: Told, windows: tuple[str, ...]) -> None:
        """Check that what was accepted is not past a limit, whatever the model thinks of it."""
        by_kind = dict(zip(WINDOWS, windows, strict=True))
        for limit in self.in_force.limits:
            if limit.holds_for(told.payment_type):
                spent = self.books.spent(told.customer or "", by_kind[limit.window], limit.types)
                assert spent <= limit.amount

    def _confirm(self, message: Message, status: str, without_policy: bool) -> None:
        policy, rules = (None, None) if without_policy else (self.policy, self.in_force)
        told = told_by(message)
        confirmation = self._confirmation(message, status)
        self.ledger.confirm(confirmation, policy, self.now, self.deadline)
        number = message["pnm_payment_identifier"] or ""
        net = confirmation.net_payment_amount or Decimal(0)
        self.books.confirm(number, status, told, net, rules, self.now)

    def _reverse(self, message: Message, sent: datetime) -> None:
        reversal = read_message(Reversal, valid_reversal(**message, timestamp=str(int(sent.timestamp()))))
        result = self.ledger.reverse(reversal, self.now, self.deadline)
        number, kind = message["pnm_payment_identifier"] or "", message["reverse_type"] or ""
        customer = message["site_customer_identifier"]
        assert result.repeated is not self.books.reverse(number, reversal.amount, customer, kind, sent)

    def _authorization(self, message: Message) -> Authorization:
        return read_message(Authorization, valid_authorization(**message))

    def _confirmation(self, message: Message, status: str) -> Confirmation:
        net = str(Decimal(message["payment_amount"] or 0) - 5)
        return read_message(
            Confirmation, valid_confirmation(**message, status=status, net_payment_amount=net)
        )


def windows_hold_the_sum_of_what_their_payments_hold(
    everything: Iterable[Item], payments: Iterable[Item]
) -> None:
    should: Counter[tuple[str, str, str]] = Counter()
    for payment in payments:
        for window in payment.get("spending_windows", []):
            pk = f"SPENDING#{SITE}#{payment['spending_customer']}"
            for name in ("spent", f"spent_{payment['spending_type']}"):
                should[pk, window, name] += payment["spending_amount"]
    windows = [item for item in everything if item["pk"].startswith("SPENDING#")]
    found = {
        (item["pk"], item["sk"], name): item[name]
        for item in windows
        for name in item
        if name.startswith("spent")
    }
    assert min(found.values(), default=0) >= 0
    assert {place: spent for place, spent in found.items() if spent} == dict(+should)
    assert all("expires_at_epoch" in item for item in windows)


def payments_are_as_they_should_be(item: Item, known: Payment) -> None:
    held = known.holds
    assert item.get("spending_amount") == (held and held.amount)
    if held and held.amount:
        assert item["spending_customer"] == held.customer
        assert item["spending_type"] == held.payment_type
        assert tuple(item["spending_windows"]) == held.windows
    assert (item.get("reason", ""), item.get("outcome", "")) == (known.reason, known.outcome)
    assert item.get("posted_amount", 0) == known.posted
    assert item.get("taken_back", 0) == known.taken_back <= known.posted
    compared = {"paid_after_decline", "paid_after_release", "reversed_unknown"}
    assert compared & set(item.get("anomalies", ())) == known.marks


@pytest.mark.parametrize("number", range(2))
def test_the_ledger_does_what_the_model_does(stored: Stored, number: int) -> None:
    kept = stored

    @seed(number)
    class StoriesHere(Stories):
        stored = kept

    # After its first ten stories hypothesis mostly tells variations of them.
    run_state_machine_as_test(
        StoriesHere,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            database=None,
            # A story that fails is told at its full length: making it shorter takes minutes.
            phases=[Phase.generate],
        ),
    )
