"""Compare the ledger with a model in scenarios of hypothesis."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from paynearme.ledger import schema
from paynearme.ledger.authorization import authorize
from paynearme.ledger.confirmation import confirm
from paynearme.ledger.event_mapping import payment_events
from paynearme.ledger.release import release
from paynearme.ledger.reversal import reverse
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Update
from paynearme.platform.settings import SweepSettings
from paynearme.policy import SitePolicy
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_events import PaymentEvent
from paynearme.protocol.reversals import Reversal
from paynearme.sweep.unconfirmed_sweep import sweep
from tests.support.callback_fixtures import SITE
from tests.support.harness import LedgerFixture
from tests.support.ledger_invariants import RecordingTable, assert_events_once, assert_payments, assert_window_totals
from tests.support.ledger_model import WINDOWS, LedgerModel, Received, Rules
from tests.support.ledger_strategies import RULES, START_TIME, TEST_CUSTOMER, Message, actions, message_for
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal
from tests.support.policy_builders import parse_document
from tests.support.stream_reader import balances_from

SWEEP_SETTINGS = SweepSettings(table_name="", unconfirmed_after_minutes=60, reservation_timeout_minutes=24 * 60)


class LedgerStateMachine(RuleBasedStateMachine):
    """Apply each action to the ledger and to the model, and compare them after each step."""

    ledger_table: LedgerFixture

    def __init__(self) -> None:
        super().__init__()
        self.table = RecordingTable(self.ledger_table.table_name, self.ledger_table.client)
        self.model = LedgerModel()
        self.now = START_TIME
        self.active_rules = RULES[0]
        self.authorizations: dict[str, Message] = {}
        self.reversals: list[Message] = []
        self.items: dict[Key, Item] = {}
        self.published: dict[str, list[PaymentEvent]] = defaultdict(list)

    @property
    def policy(self) -> SitePolicy:
        return parse_document(self.active_rules.to_document()).defaults

    @property
    def deadline(self) -> Deadline:
        return Deadline.after(60)

    # One rule, because hypothesis omits most of several rules in most scenarios.
    @rule(planned_actions=st.lists(actions, min_size=2, max_size=3))
    def run_actions(self, planned_actions: list[tuple[str, tuple[Any, ...]]]) -> None:
        for action, details in planned_actions:
            # Each action has a distinct time.
            self.now += timedelta(microseconds=1)
            getattr(self, action)(*details)
            self._collect_events()

    def advance(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def deploy(self, rules: Rules) -> None:
        self.active_rules = rules

    def set_self_imposed_limit(self, message: Message, window: str) -> None:
        customer, amount = message["site_customer_identifier"] or "bob", message["payment_amount"]
        self.model.self_imposed_limits.setdefault(customer, {})[window] = Decimal(amount or 0)
        limits = self.model.self_imposed_limits[customer].items()
        values = {"status": "active"} | {f"self_imposed_{name}_limit": max_amount for name, max_amount in limits}
        self.table.update(Update(*schema.account_key(SITE, customer), values), self.deadline)

    def authorize(self, message: Message) -> None:
        payment_id = self._new_payment_id()
        self._authorize(payment_id, message)
        reservation = self.model.payments[payment_id].reservation
        if reservation:
            self._check_limits(message_for(message), reservation.windows)

    def authorize_again(self, index: int, message: Message, same_message: bool) -> None:
        payment_id = self._pick_payment_id(index)
        self._authorize(payment_id, self.authorizations.get(payment_id, message) if same_message else message)

    def confirm(self, index: int, message: Message, as_authorized: bool, status: str, without_policy: bool) -> None:
        payment_id = self._pick_payment_id(index)
        sent_message = self.authorizations.get(payment_id, message) if as_authorized else message
        policy, rules = (None, None) if without_policy else (self.policy, self.active_rules)
        confirmation = self._confirmation(payment_id, sent_message, status)
        confirm(self.table, confirmation, policy, self.now, self.deadline)
        net = confirmation.net_payment_amount or Decimal(0)
        self.model.confirm(payment_id, status, message_for(sent_message), net, rules, self.now)

    def release(self, index: int) -> None:
        payment_id = self._pick_payment_id(index)
        released = release(self.table, SITE, payment_id, self.now, self.deadline)
        assert released is self.model.release(payment_id)

    def sweep(self) -> None:
        sweep(self.table, SWEEP_SETTINGS, self.now, self.deadline)
        self.model.sweep(self.now, timedelta(hours=1), timedelta(hours=24))

    def reverse(self, index: int, message: Message, kind: str, days_ago: int) -> None:
        reversal: Message = {
            "pnm_payment_identifier": self._pick_payment_id(index),
            "site_customer_identifier": message["site_customer_identifier"],
            "reverse_amount": message["payment_amount"],
            "reverse_type": kind,
            "reverse_code": None,
        }
        self.reversals.append(reversal)
        self._reverse(reversal, self.now - timedelta(days=days_ago))

    def reverse_again(self, index: int) -> None:
        if self.reversals:
            self._reverse(self.reversals[index % len(self.reversals)], self.now)

    def send_test_messages(self, index: int, message: Message, status: str, kind: str) -> None:
        payment_id = self._pick_payment_id(index)
        customer = {"ann": "ann"}.get(message["site_customer_identifier"] or "", TEST_CUSTOMER)
        sent_message = message | {"test": "true", "site_customer_identifier": customer}
        reversal = valid_reversal(**sent_message, pnm_payment_identifier=payment_id, reverse_type=kind)
        authorization = self._authorization(payment_id, sent_message)
        confirmation = self._confirmation(payment_id, sent_message, status)
        authorize(self.table, authorization, self.policy, self.now, self.deadline)
        confirm(self.table, confirmation, self.policy, self.now, self.deadline)
        reverse(self.table, read_message(Reversal, reversal), self.now, self.deadline)

    @invariant()
    def ledger_matches_model(self) -> None:
        all_items = self.ledger_table.all_items()
        payments = {item["pk"].split("#")[-1]: item for item in all_items if item["pk"].startswith("PAYMENT#")}
        assert_window_totals(all_items, payments.values())
        for payment_id, expected in self.model.payments.items():
            assert_payments(payments.get(payment_id, {}), expected)
            assert_events_once(self.published[payment_id], payments.get(payment_id, {}), expected)
        accounts = [item for item in all_items if item["sk"] == "ACCOUNT" and "balance" in item]
        balances = {item["site_customer_identifier"]: item["balance"] for item in accounts}
        assert balances == self.model.balances()
        all_events = [event for events in self.published.values() for event in events]
        assert balances_from(all_events) == {customer: balance for customer, balance in balances.items() if balance}
        assert len({event.event_identifier for event in all_events}) == len(all_events)
        actual_counts = {
            (item["pk"].split("#")[-1], name): count
            for item in all_items
            if item["sk"].startswith("REVERSALS#")
            for name, count in item.items()
            if name.startswith(("chargebacks_", "returns_"))
        }
        assert actual_counts == self.model.reversal_counts
        assert not [item for item in all_items if item["pk"].endswith(f"#{TEST_CUSTOMER}")]

    def teardown(self) -> None:
        for item in self.ledger_table.all_items():
            key: Any = {name: {"S": item[name]} for name in ("pk", "sk")}
            self.ledger_table.client.delete_item(TableName=self.ledger_table.table_name, Key=key)

    def _collect_events(self) -> None:
        changed_keys = [key for key in self.table.written_keys if key[1] == "PAYMENT"]
        self.table.written_keys.clear()
        changed_items = self.table.read(changed_keys, self.deadline) if changed_keys else []
        for key, item in zip(changed_keys, changed_items, strict=True):
            previous, self.items[key] = self.items.get(key, {}), item
            for event in payment_events(previous, item, self.now):
                self.published[event.pnm_payment_identifier].append(event)

    def _new_payment_id(self) -> str:
        return str(len(self.model.payments))

    def _pick_payment_id(self, index: int) -> str:
        """Return one of the latest payments, or for one index a new payment."""
        payment_ids = list(self.model.payments)
        return payment_ids[-1 - index % len(payment_ids)] if payment_ids and index < 9 else self._new_payment_id()

    def _authorize(self, payment_id: str, message: Message) -> None:
        self.authorizations.setdefault(payment_id, message)
        authorization = self._authorization(payment_id, message)
        decision = authorize(self.table, authorization, self.policy, self.now, self.deadline).decision
        reason = self.model.authorize(payment_id, message_for(message), self.active_rules, self.now)
        assert decision.reason == reason
        assert decision.accept is (reason == "accepted")

    def _check_limits(self, received: Received, windows: tuple[str, ...]) -> None:
        """Check that an accepted payment is within the limits, also if the model has an error."""
        by_kind = dict(zip(WINDOWS, windows, strict=True))
        for limit in self.active_rules.limits:
            if limit.applies_to(received.payment_type):
                total_spent = self.model.total_spent(received.customer or "", by_kind[limit.window], limit.types)
                assert total_spent <= limit.amount

    def _reverse(self, message: Message, sent_at: datetime) -> None:
        reversal = read_message(Reversal, valid_reversal(**message, timestamp=str(int(sent_at.timestamp()))))
        result = reverse(self.table, reversal, self.now, self.deadline)
        payment_id, kind = message["pnm_payment_identifier"] or "", message["reverse_type"] or ""
        customer = message["site_customer_identifier"]
        assert result.is_duplicate is not self.model.reverse(payment_id, reversal.amount, customer, kind, sent_at)

    def _authorization(self, payment_id: str, message: Message) -> Authorization:
        return read_message(Authorization, valid_authorization(**message, pnm_payment_identifier=payment_id))

    def _confirmation(self, payment_id: str, message: Message, status: str) -> Confirmation:
        net = str(Decimal(message["payment_amount"] or 0) - 5)
        sent_message = message | {"pnm_payment_identifier": payment_id, "status": status, "net_payment_amount": net}
        return read_message(Confirmation, valid_confirmation(**sent_message))


@pytest.mark.parametrize("seed_value", range(2))
def test_ledger_random_scenarios_match_model(ledger_table: LedgerFixture, seed_value: int) -> None:
    fixture = ledger_table

    @seed(seed_value)
    class BoundStateMachine(LedgerStateMachine):
        ledger_table = fixture

    # After its first scenarios, hypothesis mostly generates variations of them.
    run_state_machine_as_test(
        BoundStateMachine,
        settings=settings(
            max_examples=6,
            stateful_step_count=15,
            deadline=None,
            database=None,
            # A failing scenario is not shrunk, because shrinking takes minutes.
            phases=[Phase.generate],
        ),
    )
