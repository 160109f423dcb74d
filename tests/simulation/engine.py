"""Start the functions of the layer as tasks, and compare their effects and results with the model."""

import hashlib
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from paynearme.errors import LedgerUnavailableError, PaymentFailedError, RequestRejectedError, ServiceError
from paynearme.events.event_bus import DeadLetterQueue, EventBus
from paynearme.events.event_publisher import publish
from paynearme.ledger.authorization import authorize
from paynearme.ledger.confirmation import confirm
from paynearme.ledger.event_mapping import change_events
from paynearme.ledger.merchant_data import put_customer, put_order
from paynearme.ledger.reversal import reverse
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import SweepSettings
from paynearme.policy import Reason
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.protocol.merchant_input import CustomerInput, OrderInput
from paynearme.protocol.payment_events import CallbackQuarantined, PaymentAnomaly, PaymentEvent
from paynearme.protocol.reversals import Reversal
from paynearme.submissions.payment_submission import submit_once
from paynearme.sweep.unconfirmed_sweep import sweep
from tests.simulation.checks import check_state
from tests.simulation.faults import EventBridgeClient, FakePayNearMe, Faults, TableClient
from tests.simulation.model import RELEASE_AFTER, UNCONFIRMED_AFTER, Model
from tests.simulation.scheduler import CrashError, Scheduler, SimulatedDeadline, Task
from tests.simulation.store import Change, Store
from tests.simulation.traffic import POLICIES, Delivery, Message, Parameters
from tests.support.message_fixtures import resolved_site
from tests.support.policy_builders import parse_document

START_TIME = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
"""A Friday evening, shortly before the end of the day, the week and the month."""
CLOCK_LAG_PROBABILITY = 0.05
SWEEP_SETTINGS = SweepSettings(table_name="", unconfirmed_after_minutes=10, reservation_timeout_minutes=60)

PARSED_POLICIES = {name: parse_document({"defaults": defaults}).defaults for name, defaults in POLICIES.items()}


class Engine:
    """The state of a run. ``random`` determines durations, and the seeded scheduler uses it for all choices."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.trace: deque[str] = deque(maxlen=80)
        self.digest = hashlib.sha256()
        self.scheduler = Scheduler()
        self.faults = Faults(self.scheduler, self.random, self.log)
        self.store = Store(self.epoch_seconds, self._receive_changes, page_size=3)
        self.model = Model()
        self.payments: list[Parameters] = []
        self.messages: list[Message] = []
        self.policy = next(iter(POLICIES))
        self.submitted: dict[str, str] = {}
        """The payments that PayNearMe accepted, by the merchant's identifier."""
        self.events: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        """The type, identifier and sequence of the expected events by payment, in order."""
        self.identifiers: set[str] = set()
        self.published: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = defaultdict(dict)
        """The first publication of each event by payment and identifier."""
        self.balances_of_events: dict[str, Decimal] = defaultdict(Decimal)
        self.stream, self.position = list[Change](), 0
        table_client: Any = TableClient(self.store, self.faults)
        bus_client: Any = EventBridgeClient(self.faults, self._receive_event)
        # Every record is valid, so the queue remains empty: a request to it is an error.
        queue_client: Any = object()
        self.table, self.bus = Table("table", table_client), EventBus("bus", bus_client)
        self.dead_letter_queue = DeadLetterQueue("queue", queue_client)
        self.paynearme = FakePayNearMe(self.faults, self._accept_submission)

    def start_delivery(self, message: Message, without_policy: bool = False) -> Task:
        # Some clocks are days late, so that a payment can be before the valid windows of its customer.
        lag = timedelta(days=self.random.choice((1, 2, 3)) if self.random.random() < CLOCK_LAG_PROBABILITY else 0)
        content, now, deadline = message.content, self.invocation_time() - lag, self.deadline(6.5)
        delivery = Delivery(message, None if without_policy else POLICIES[self.policy], now)
        policy = PARSED_POLICIES[self.policy]
        expected_anomalies: set[str] = set()

        def process() -> Any:
            match content:
                case Authorization():
                    return authorize(self.table, content, policy, now, deadline)
                case Confirmation():
                    return confirm(self.table, content, None if without_policy else policy, now, deadline)
            return reverse(self.table, content, now, deadline)

        def commit(change: Change) -> None:
            if content.test:
                assert change.key[0].startswith("TEST#"), f"a test message changed {change.key}"
            elif change.key[1] == "PAYMENT":
                event_type, anomalies = self.model.commit(delivery, change.old, change.new)
                # Each change of a reversal is its effect, also without an event.
                task.has_committed |= bool(event_type) or isinstance(content, Reversal)
                expected_anomalies.update(anomalies)
                self.expect_events(change, event_type)

        def finish() -> None:
            message.acknowledged = True
            if not content.test:
                self._check_acknowledgement(delivery, task)
                assert task.is_disturbed or task.result.anomalies == expected_anomalies, "anomalies of the result"

        name = f"{type(content).__name__} {message.payment_id}{' test' * content.test}"
        task = Task(name, process, partial(self.model.observe, delivery), commit, finish)
        return self.scheduler.start(task)

    def _check_acknowledgement(self, delivery: Delivery, task: Task) -> None:
        message, result = delivery.message, task.result
        assert self.model.is_durable(message), "an acknowledged message is not durable"
        payment = self.model.payments[message.payment_id]
        if not isinstance(message.content, Authorization):
            assert result.is_duplicate is not task.has_committed, "the result does not match the effect"
        elif payment.authorized == message.received:
            decision = result.decision
            assert decision.accept is (decision.reason == "accepted")
            assert decision.reason in self.model.decisions[message.payment_id], f"{decision.reason} is not stored"
            assert task.is_disturbed or decision.reason == payment.reason, f"{decision.reason} is outdated"
        else:
            assert result.decision.reason == Reason.CONFLICTS_WITH_EARLIER, f"{result.decision} for other content"

    def start_publisher(self, count: int) -> Task:
        batch = [change.to_record() for change in self.stream[self.position :][:count]]

        def finish() -> None:
            self.position += len(batch)

        now, deadline = self.invocation_time(), self.deadline(60)
        process = partial(publish, batch, self.bus, self.dead_letter_queue, 10**9, now, deadline)
        return self.scheduler.start(Task("publish", process, finish=finish))

    def start_sweep(self) -> Task:
        now, deadline = self.invocation_time(), self.deadline(SWEEP_SETTINGS.sweep_timeout_seconds)
        # A sweep releases only the payments that are marked in the index.
        pending = [(payment, payment.unconfirmed, payment.pending_since) for payment in self.model.payments.values()]
        limits = {True: RELEASE_AFTER, False: UNCONFIRMED_AFTER}
        overdue = [(payment, mark) for payment, mark, since in pending if since and now - since >= limits[mark]]
        is_index_complete = not self.store.index_updates

        def commit(change: Change) -> None:
            if change.key[1] == "PAYMENT":
                payment = self.model.payments[change.new["pnm_payment_identifier"]]
                self.expect_events(change, self.model.commit_sweep(payment, change.old, change.new, now))

        def finish() -> None:
            if is_index_complete and not task.is_disturbed:
                left = [
                    payment
                    for payment, mark in overdue
                    if (payment.pending_since and payment.unconfirmed is mark) and not (mark and payment.quarantined)
                ]
                assert not left, f"a sweep left {left}"

        task = Task("sweep", lambda: sweep(self.table, SWEEP_SETTINGS, now, deadline), commit=commit, finish=finish)
        return self.scheduler.start(task)

    def start_submission(self, request: MakePaymentRequest) -> Task:
        site, now, deadline = resolved_site(), self.invocation_time(), self.deadline(8)
        identifier = request.site_payment_identifier(site.identifier)

        payment = self.model.payments.get(self.submitted.get(identifier, ""))
        # A confirmation of another order does not resolve the submission.
        declined = payment.confirmed if payment and payment.outcome == "decline" else None
        was_declined = declined is not None and declined.order == request.pnm_order_identifier

        def submit() -> SubmittedPayment | None:
            try:
                return submit_once(request, site, self.paynearme, self.table, now, deadline)
            except PaymentFailedError:
                assert "PaymentFailed" in self._event_types(identifier), "a payment without an outcome failed"
            except RequestRejectedError:
                assert identifier not in self.submitted, "an accepted payment was rejected"
            return None

        def finish() -> None:
            if isinstance(task.result, SubmittedPayment):
                assert identifier in self.submitted, "a payment was not submitted"
                if was_declined or task.result.status == "confirmed":
                    assert "PaymentConfirmed" in self._event_types(identifier), "an unpaid payment is not failed"

        task = Task(f"submit {request.idempotency_key}", submit, finish=finish)
        return self.scheduler.start(task)

    def start_put(self, name: str, put_input: CustomerInput | OrderInput) -> Task:
        now, deadline, history = self.invocation_time(), self.deadline(6.5), self.model.merchant_data[name]
        start = max(0, len(history) - 1)

        def put() -> None:
            if isinstance(put_input, CustomerInput):
                put_customer(self.table, put_input, now, deadline)
            else:
                put_order(self.table, put_input, now, deadline)

        def finish() -> None:
            assert put_input in history[start:], "acknowledged values were never stored"
            assert task.is_disturbed or history[-1] == put_input, "other values are stored"

        task = Task(f"put {name}", put, commit=lambda _: history.append(put_input), finish=finish)
        return self.scheduler.start(task)

    def run_task(self, task: Task, run: Callable[[Task], None]) -> None:
        """Resume or crash a task, or apply its late write. Check its result and the state."""
        changes = self.store.change_count
        run(task)
        if task.finished:
            self.log(f"    {task.name}: {repr(task.error) if task.error else 'end'}")
        if self.faults.failure:
            raise self.faults.failure
        if task.finished and not isinstance(task.error, CrashError):
            if task.error is None:
                task.finish()
            elif not isinstance(task.error, ServiceError):
                raise AssertionError(f"{task.name}: {description(task.error)}") from task.error
            elif not task.is_disturbed and isinstance(task.error, LedgerUnavailableError):
                raise AssertionError(f"{task.name} is unavailable without a fault") from task.error
        if self.store.change_count > changes:
            self.check()

    def check(self) -> None:
        check_state(self.store.items, self.model)
        balances = {customer: balance for customer, balance in self.model.balances().items() if balance}
        assert {customer: balance for customer, balance in self.balances_of_events.items() if balance} == balances

    def _receive_changes(self, changes: Sequence[Change]) -> None:
        task = self.scheduler.running()
        for other in self.scheduler.tasks:
            other.is_disturbed |= other is not task and bool(changes)
        for change in changes:
            self.stream.append(change)
            task.commit(change)

    def expect_events(self, change: Change, event_type: str) -> None:
        """Check the events of a change, and add them to the expected publications."""
        payment_id, old, new = change.new["pnm_payment_identifier"], change.old, change.new
        payment, expected = self.model.payments[payment_id], self.events[payment_id]
        events = change_events(old, new, datetime.fromtimestamp(change.at, UTC))
        types = [event.detail_type for event in events if not isinstance(event, PaymentAnomaly)]
        assert types == [event_type] * bool(event_type), f"events {types} instead of {event_type}"
        anomalies = {event.anomaly for event in events if isinstance(event, PaymentAnomaly)}
        assert anomalies == new.get("anomalies", set()) - old.get("anomalies", set()), f"events of {anomalies}"
        for event in events:
            assert isinstance(event, PaymentEvent)
            assert getattr(event, "reason", payment.reason) == payment.reason, "an event has another reason"
            assert event.sequence > max((sequence for *_, sequence in expected), default=-1), "the order of events"
            assert event.event_identifier not in self.identifiers, "two events have one identifier"
            self.identifiers.add(event.event_identifier)
            expected.append((event.detail_type, event.event_identifier, event.sequence))
            amount = getattr(event, "credited_amount", Decimal(0)) - getattr(event, "debited_amount", Decimal(0))
            self.balances_of_events[event.site_customer_identifier or ""] += amount

    def expect_quarantine_event(self, change: Change) -> None:
        """Check that a new or reopened quarantined callback has one event, except for a test message."""
        events = change_events(change.old, change.new, datetime.fromtimestamp(change.at, UTC))
        is_opened = change.new["resolution"] != change.old.get("resolution")
        assert len(events) == (is_opened and not change.new["test"]), f"events {events}"
        self.identifiers |= {event.event_identifier for event in events}

    def _receive_event(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        if detail_type == CallbackQuarantined.detail_type:
            assert detail["event_identifier"] in self.identifiers, "an unexpected event"
            return
        payment_id, identifier = detail["pnm_payment_identifier"], detail["event_identifier"]
        published, event = self.published[payment_id], (detail_type, detail)
        if published.setdefault(identifier, event) is event:
            expected = self.events[payment_id][len(published) - 1 :][:1]
            assert [(detail_type, identifier, detail["sequence"])] == expected, f"{detail_type} instead of {expected}"
        assert published[identifier] == event, "two events have one identifier"

    def _accept_submission(self, request: MakePaymentRequest, identifier: str) -> str:
        assert identifier not in self.submitted, "a payment was submitted twice"
        payment_id = self.add_payment("ann", "20.00", "cash", request.pnm_order_identifier, identifier)
        self.submitted[identifier] = payment_id
        return payment_id

    def add_payment(
        self, customer: str | None, amount: str, payment_type: str | None, order: str, identifier: str | None = None
    ) -> str:
        """Add a payment at PayNearMe. Return its identifier."""
        payment_id = str(len(self.payments))
        self.payments.append(
            {
                "pnm_payment_identifier": payment_id,
                "pnm_order_identifier": order,
                "site_customer_identifier": customer,
                "payment_amount": amount,
                "payment_type": payment_type,
                "site_payment_identifier": identifier,
            }
        )
        return payment_id

    def _event_types(self, identifier: str) -> list[str]:
        return [event_type for event_type, *_ in self.events[self.submitted[identifier]]]

    def epoch_seconds(self) -> float:
        return START_TIME.timestamp() + self.scheduler.now

    def invocation_time(self) -> datetime:
        """Return the clock of a new invocation. The clocks of two invocations differ by up to two seconds."""
        return START_TIME + timedelta(seconds=self.scheduler.now + self.random.uniform(-1, 1))

    def deadline(self, seconds: float) -> SimulatedDeadline:
        scheduler = self.scheduler
        return SimulatedDeadline(scheduler.now + seconds, lambda: scheduler.now, scheduler.pause, self.random)

    def log(self, text: str) -> None:
        self.trace.append(text)
        self.digest.update(text.encode())


def description(error: BaseException) -> str:
    """Return the text of an error, or the location of an ``assert`` without a text."""
    return str(error) or f"{error!r} in {traceback.extract_tb(error.__traceback__)[-1]}"
