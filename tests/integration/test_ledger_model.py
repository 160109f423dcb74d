"""The ledger against a plain model of it, over stories that hypothesis makes up."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from paynearme.deadline import Deadline
from paynearme.ledger import Ledger, events_of, items
from paynearme.messages import Authorization, Confirmation, Reversal, read_message
from paynearme.messages.events import PaymentEvent
from paynearme.policy import Customer, SitePolicy, WindowKind
from paynearme.settings import WatchingSettings
from paynearme.table import Item, Key, Update
from paynearme.watching import watch
from tests.integration.ledger_agreement import (
    NotingTable,
    events_tell_it_once,
    payments_are_as_they_should_be,
    windows_hold_the_sum_of_what_their_payments_hold,
)
from tests.integration.ledger_events import RULES, STARTS, TESTER, Message, events, told_by
from tests.integration.ledger_model import WINDOWS, Books, Rules, Told
from tests.integration.observed import Stored
from tests.integration.signed_callbacks import SITE
from tests.integration.streamed import balances_by
from tests.messages import valid_authorization, valid_confirmation, valid_reversal
from tests.policies import read

WATCHING = WatchingSettings(table_name="", unconfirmed_after_minutes=60, release_after_minutes=24 * 60)


class Stories(RuleBasedStateMachine):
    """What happens, happens to the ledger and to the books; after each step they are compared."""

    stored: Stored

    def __init__(self) -> None:
        super().__init__()
        self.table = NotingTable(self.stored.table_name, self.stored.client)
        self.ledger = Ledger(self.table)
        self.books = Books()
        self.now = STARTS
        self.in_force = RULES[0]
        self.questions: dict[str, Message] = {}
        self.reversals: list[Message] = []
        self.items: dict[Key, Item] = {}
        self.told: dict[str, list[PaymentEvent]] = defaultdict(list)

    @property
    def policy(self) -> SitePolicy:
        return read(self.in_force.to_document()).defaults

    @property
    def deadline(self) -> Deadline:
        return Deadline.after(60)

    # One rule: of several, hypothesis leaves out most in most of its stories.
    @rule(happening=st.lists(events, min_size=2, max_size=3))
    def happen(self, happening: list[tuple[str, tuple[Any, ...]]]) -> None:
        for what, details in happening:
            # A clock that stands still would make one of two things that happen after each other.
            self.now += timedelta(microseconds=1)
            getattr(self, what)(*details)
            self._tell_what_changed()

    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def deploy(self, rules: Rules) -> None:
        self.in_force = rules

    def set_own_limit(self, message: Message, window: str) -> None:
        customer, amount = message["site_customer_identifier"] or "bob", message["payment_amount"]
        self.books.self_imposed_limits.setdefault(customer, {})[window] = Decimal(amount or 0)
        own = {WindowKind(name): most for name, most in self.books.self_imposed_limits[customer].items()}
        values = items.customer_values(Customer(self_imposed_limits=own))
        self.table.update(Update(*items.account_key(SITE, customer), values), self.deadline)

    def ask(self, message: Message) -> None:
        number = self._new_number()
        self._ask(number, message)
        reservation = self.books.payments[number].reservation
        if reservation:
            self._check_limits(told_by(message), reservation.windows)

    def ask_again(self, which: int, message: Message, the_same: bool) -> None:
        number = self._number(which)
        self._ask(number, self.questions.get(number, message) if the_same else message)

    def confirm(
        self, which: int, message: Message, as_asked: bool, status: str, without_policy: bool
    ) -> None:
        number = self._number(which)
        told = self.questions.get(number, message) if as_asked else message
        policy, rules = (None, None) if without_policy else (self.policy, self.in_force)
        confirmation = self._confirmation(number, told, status)
        self.ledger.confirm(confirmation, policy, self.now, self.deadline)
        net = confirmation.net_payment_amount or Decimal(0)
        self.books.confirm(number, status, told_by(told), net, rules, self.now)

    def release(self, which: int) -> None:
        number = self._number(which)
        released = self.ledger.release(SITE, number, self.now, self.deadline)
        assert released is self.books.release(number)

    def watch(self) -> None:
        watch(self.ledger, WATCHING, self.now, self.deadline)
        self.books.watch(self.now, timedelta(hours=1), timedelta(hours=24))

    def reverse(self, which: int, message: Message, kind: str, days_ago: int) -> None:
        back: Message = {
            "pnm_payment_identifier": self._number(which),
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

    def tell_a_test(self, which: int, message: Message, status: str, kind: str) -> None:
        number = self._number(which)
        customer = {"ann": "ann"}.get(message["site_customer_identifier"] or "", TESTER)
        told = message | {"test": "true", "site_customer_identifier": customer}
        reversal = valid_reversal(**told, pnm_payment_identifier=number, reverse_type=kind)
        self.ledger.authorize(self._authorization(number, told), self.policy, self.now, self.deadline)
        self.ledger.confirm(self._confirmation(number, told, status), self.policy, self.now, self.deadline)
        self.ledger.reverse(read_message(Reversal, reversal), self.now, self.deadline)

    @invariant()
    def ledger_and_books_agree(self) -> None:
        everything = self.stored.everything()
        payments = {
            item["pk"].split("#")[-1]: item for item in everything if item["pk"].startswith("PAYMENT#")
        }
        windows_hold_the_sum_of_what_their_payments_hold(everything, payments.values())
        for number, known in self.books.payments.items():
            payments_are_as_they_should_be(payments.get(number, {}), known)
            events_tell_it_once(self.told[number], payments.get(number, {}), known)
        accounts = [item for item in everything if item["sk"] == "ACCOUNT" and "balance" in item]
        balances = {item["site_customer_identifier"]: item["balance"] for item in accounts}
        assert balances == self.books.balances()
        told = [event for events in self.told.values() for event in events]
        assert balances_by(told) == {customer: balance for customer, balance in balances.items() if balance}
        assert len({event.event_identifier for event in told}) == len(told)
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

    def _tell_what_changed(self) -> None:
        written = [key for key in self.table.written if key[1] == "PAYMENT"]
        self.table.written.clear()
        for key, item in zip(
            written, self.table.read(written, self.deadline) if written else (), strict=True
        ):
            before, self.items[key] = self.items.get(key, {}), item
            for event in events_of(before, item, self.now):
                self.told[event.pnm_payment_identifier].append(event)

    def _new_number(self) -> str:
        return str(len(self.books.payments))

    def _number(self, which: int) -> str:
        """Return the number of one of the latest payments, or sometimes a new one."""
        known = list(self.books.payments)
        return known[-1 - which % len(known)] if known and which < 9 else self._new_number()

    def _ask(self, number: str, message: Message) -> None:
        self.questions.setdefault(number, message)
        authorization = self._authorization(number, message)
        answer = self.ledger.authorize(authorization, self.policy, self.now, self.deadline)
        assert answer.decision.reason == self.books.ask(number, told_by(message), self.in_force, self.now)
        assert answer.decision.accept is (answer.decision.reason == "accepted")

    def _check_limits(self, told: Told, windows: tuple[str, ...]) -> None:
        """Check that what was accepted is not past a limit, whatever the model thinks of it."""
        by_kind = dict(zip(WINDOWS, windows, strict=True))
        for limit in self.in_force.limits:
            if limit.holds_for(told.payment_type):
                spent = self.books.spent(told.customer or "", by_kind[limit.window], limit.types)
                assert spent <= limit.amount

    def _reverse(self, message: Message, sent: datetime) -> None:
        reversal = read_message(Reversal, valid_reversal(**message, timestamp=str(int(sent.timestamp()))))
        result = self.ledger.reverse(reversal, self.now, self.deadline)
        number, kind = message["pnm_payment_identifier"] or "", message["reverse_type"] or ""
        customer = message["site_customer_identifier"]
        assert result.repeated is not self.books.reverse(number, reversal.amount, customer, kind, sent)

    def _authorization(self, number: str, message: Message) -> Authorization:
        return read_message(Authorization, valid_authorization(**message, pnm_payment_identifier=number))

    def _confirmation(self, number: str, message: Message, status: str) -> Confirmation:
        net = str(Decimal(message["payment_amount"] or 0) - 5)
        told = message | {"pnm_payment_identifier": number, "status": status, "net_payment_amount": net}
        return read_message(Confirmation, valid_confirmation(**told))


@pytest.mark.untraced  # what it runs others run too, and to trace it takes half a minute
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
            max_examples=6,
            stateful_step_count=15,
            deadline=None,
            database=None,
            # A story that fails is told at its full length: making it shorter takes minutes.
            phases=[Phase.generate],
        ),
    )
