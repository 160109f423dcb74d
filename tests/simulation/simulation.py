"""Run all functions of the layer concurrently, and compare the table and the events with the model."""

import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from paynearme.errors import LedgerUnavailableError, PaymentFailedError, RequestRejectedError, ServiceError
from paynearme.events.event_bus import DeadLetterQueue, EventBus
from paynearme.events.event_publisher import publish
from paynearme.ledger.authorization import authorize
from paynearme.ledger.confirmation import confirm
from paynearme.ledger.merchant_data import put_customer, put_order
from paynearme.ledger.results import AuthorizationResult, ConfirmationResult, ReversalResult
from paynearme.ledger.reversal import reverse
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import SweepSettings
from paynearme.policy import Reason, SitePolicy
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.submissions.payment_submission import submit_once
from paynearme.sweep.unconfirmed_sweep import sweep
from tests.simulation.checks import check_events, check_final_state, check_state
from tests.simulation.faults import EventBridgeClient, FakePayNearMe, Faults, TableClient
from tests.simulation.model import Delivery, Message, SimulationModel
from tests.simulation.planted_bugs import PlantedBug
from tests.simulation.scheduler import CrashError, Scheduler, SimulatedDeadline, Task
from tests.simulation.store import Change, Store
from tests.simulation.traffic import RULES, Traffic
from tests.support.ledger_model import Rules
from tests.support.message_fixtures import resolved_site
from tests.support.policy_builders import parse_document

START_TIME = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
"""A Friday evening, shortly before the end of the day, the week and the month."""
SWEEP_SETTINGS = SweepSettings(table_name="", unconfirmed_after_minutes=10, reservation_timeout_minutes=60)
SHARDS = 2
MAX_TASKS = 8
MAX_PAYMENTS = 15

_WEIGHTS: Mapping[str, float] = {
    "resume": 70,
    "deliver": 12,
    "repeat": 8,
    "create_payment": 5,
    "crash": 1,
    "deliver_late": 3,
    "update_index": 5,
    "publish": 5,
    "sweep": 4,
    "submit": 2,
    "put": 2,
    "deploy": 0.7,
    "advance": 5,
}


class SimulationError(AssertionError):
    """A violated invariant, with the seed, the step and the last actions."""

    seed: int = 0


class Simulation:
    """One run. All random values come from ``seed``."""

    def __init__(self, seed: int, bug: PlantedBug | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)
        # Each seed has other frequencies, so that rare combinations occur together in some seeds.
        self.weights = [weight * self.random.choice((0.25, 1, 4)) for weight in _WEIGHTS.values()]
        self.step = 0
        self.trace: deque[str] = deque(maxlen=60)
        self.scheduler = Scheduler()
        self.faults = Faults(self.scheduler, self.random, self._log)
        self.store = Store(self._epoch_seconds, self._receive_changes, page_size=3)
        self.model = SimulationModel()
        self.traffic = Traffic(self.random)
        self.messages: list[Message] = []
        self.accepted: Counter[str] = Counter()
        self.published: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {}
        self.shards: list[list[Change]] = [[] for _ in range(SHARDS)]
        self.positions = [0] * SHARDS
        self.rules = self.random.choice(RULES)
        self.failure: BaseException | None = None
        bug = bug or PlantedBug()
        client: Any = bug.wrap_client(TableClient(self.store, self.faults))
        self.table = bug.table_type("table", client)
        bus: Any = EventBridgeClient(self.faults, self._guarded(self._receive_event))
        self.bus = EventBus("bus", bus)
        # Every record is valid, so the queue remains empty: a request to it is an error.
        unused: Any = object()
        self.dead_letter_queue = DeadLetterQueue("queue", unused)
        self.paynearme = FakePayNearMe(self.faults, self._guarded(self._accept_submission))

    def run(self, steps: int) -> None:
        """Run ``steps`` random actions, then finish everything without faults."""
        try:
            for self.step in range(1, steps + 1):
                self._run_action()
            self._finish()
        except AssertionError as error:
            description = f"{error}" or _location(error)
            trace = "\n".join(self.trace)
            raise SimulationError(f"seed {self.seed}, step {self.step}: {description}\n{trace}") from error
        finally:
            for task in list(self.scheduler.tasks):
                self.scheduler.crash(task)

    def _run_action(self) -> None:
        [action] = self.random.choices(list(_WEIGHTS), self.weights)
        if action == "resume" or (self.scheduler.tasks and len(self.scheduler.tasks) >= MAX_TASKS):
            action = "resume" if self.scheduler.tasks else "create_payment"
        getattr(self, f"_{action}")()
        self.scheduler.now += self.random.uniform(0.0001, 0.005)

    def _resume(self) -> None:
        self._run_task(self.random.choice(self.scheduler.runnable()), self.scheduler.resume)

    def _crash(self) -> None:
        if self.scheduler.tasks:
            self._run_task(self.random.choice(self.scheduler.tasks), self.scheduler.crash)

    def _run_task(self, task: Task, run: Callable[[Task], None]) -> None:
        changes = len(self.store.changes)
        run(task)
        self._log(f"{run.__name__} {task.name}{f': {task.error!r}' if task.error else ''}{' end' * task.finished}")
        if self.failure:
            raise AssertionError(str(self.failure) or _location(self.failure)) from self.failure
        if task.finished and not isinstance(task.error, CrashError):
            if task.error is None:
                task.finish()
            elif not isinstance(task.error, ServiceError):
                raise AssertionError(f"{task.error!r} in {_location(task.error)}") from task.error
            elif not self.faults.enabled and isinstance(task.error, LedgerUnavailableError):
                raise AssertionError("unavailable without faults") from task.error
        if len(self.store.changes) > changes:
            check_state(self.store.items, self.model)

    def _deliver(self) -> None:
        due = [message for message in self.messages if not message.acknowledged]
        due = [message for message in due if message.available_at <= self.scheduler.now]
        if due:
            message = self.random.choice(due)
            self._start_delivery(message)
            # Concurrent messages about one payment or one customer conflict most often.
            related = [other for other in due if other is not message and other.is_related(message)]
            if related and self.random.random() < 0.5:
                self._start_delivery(self.random.choice(related))

    def _repeat(self) -> None:
        repeated = [message for message in self.messages if message.acknowledged]
        undecided = [message for message in repeated if self.model.needs_new_decision(message)]
        if repeated:
            self._start_delivery(self.random.choice(undecided or repeated))

    def _start_delivery(self, message: Message) -> None:
        content, now, deadline = message.content, self._now(), self._deadline(6.5)
        rules = None if isinstance(content, Confirmation) and self.faults.occurs(0.05) else self.rules
        delivery = Delivery(message, rules, now)
        policy = _policy(rules) if rules else None
        result: Callable[[], AuthorizationResult | ConfirmationResult | ReversalResult]
        if isinstance(content, Authorization):
            active = _policy(self.rules)
            result = lambda: authorize(self.table, content, active, now, deadline)
        elif isinstance(content, Confirmation):
            result = lambda: confirm(self.table, content, policy, now, deadline)
        else:
            result = lambda: reverse(self.table, content, now, deadline)
        task = Task(f"{type(content).__name__} {message.payment_id}{' test' * content.test}", result)

        def commit(change: Change) -> None:
            if change.key[1] == "PAYMENT" and not content.test:
                task.has_committed |= self.model.commit(delivery, change.old, change.new)

        def finish() -> None:
            message.acknowledged = True
            if not content.test:
                self._check_acknowledgement(delivery, task)

        task.commit, task.finish = commit, finish
        task.observe = lambda: self.model.observe(delivery)
        self._start(task)

    def _check_acknowledgement(self, delivery: Delivery, task: Task) -> None:
        message, result = delivery.message, task.result
        assert self.model.is_durable(message), "an acknowledged message is not durable"
        if isinstance(result, AuthorizationResult):
            payment, reason = self.model.payment(message.payment_id), result.decision.reason
            if payment.authorized == message.received:
                assert reason in self.model.decisions[message.payment_id], f"{reason} is not stored"
            else:
                assert reason == Reason.CONFLICTS_WITH_EARLIER, f"{reason} for other content"
        elif isinstance(result, ConfirmationResult | ReversalResult):
            assert result.is_duplicate is not task.has_committed, "the result does not match the effect"

    def _create_payment(self) -> None:
        if self.traffic.payment_count < MAX_PAYMENTS:
            timestamp = int(self._epoch_seconds())
            self.messages += self.traffic.new_payment(self.scheduler.now, timestamp)

    def _deliver_late(self) -> None:
        if self.faults.late_writes:
            task = self.faults.deliver_late()
            self._log(f"late write of {task.name}")
            check_state(self.store.items, self.model)

    def _update_index(self) -> None:
        self.store.update_index(self.random.choice((1, 5, 20)))

    def _publish(self) -> None:
        shard = self.random.randrange(SHARDS)
        name = f"publish {shard}"
        records = self.shards[shard][self.positions[shard] :][: self.random.randint(1, 10)]
        if not records or any(task.name == name for task in self.scheduler.tasks):
            return
        now, deadline = self._now(), self._deadline(60)
        batch = [change.to_record() for change in records]

        def finish() -> None:
            self.positions[shard] += len(batch)

        self._start(
            Task(
                name,
                lambda: publish(batch, self.bus, self.dead_letter_queue, 10**9, now, deadline),
                finish=finish,
            )
        )

    def _sweep(self) -> None:
        now, deadline = self._now(), self._deadline(SWEEP_SETTINGS.sweep_timeout_seconds)

        def commit(change: Change) -> None:
            if change.key[1] == "PAYMENT":
                self.model.commit_sweep(change.new["pnm_payment_identifier"], change.old, change.new, now)

        self._start(Task("sweep", lambda: sweep(self.table, SWEEP_SETTINGS, now, deadline), commit=commit))

    def _submit(self) -> None:
        request, site, now, deadline = self.traffic.submission(), resolved_site(), self._now(), self._deadline(8)
        identifier = request.site_payment_identifier(site.identifier)

        def submit() -> SubmittedPayment | None:
            try:
                return submit_once(request, site, self.paynearme, self.table, now, deadline)
            except RequestRejectedError:
                assert not self.accepted[identifier], "an accepted payment was rejected"
            except PaymentFailedError:
                assert "PaymentFailed" in self._event_types(identifier), "a payment without an outcome failed"
            return None

        def finish() -> None:
            if isinstance(task.result, SubmittedPayment):
                assert self.accepted[identifier] == 1, "a payment was not submitted once"
                if task.result.status == "confirmed":
                    assert "PaymentConfirmed" in self._event_types(identifier), "an unpaid payment is confirmed"

        task = Task(f"submit {request.idempotency_key}", submit, finish=finish)
        self._start(task)

    def _put(self) -> None:
        now, deadline = self._now(), self._deadline(6.5)
        was_equal = False

        def observe() -> None:
            nonlocal was_equal
            was_equal |= is_equal()

        def finish() -> None:
            assert task.has_committed or was_equal, "acknowledged values are not stored"

        if self.random.random() < 0.5:
            customer = self.traffic.customer()
            task = Task("put_customer", lambda: put_customer(self.table, customer, now, deadline))
            is_equal = lambda: self.model.has_customer(customer)
            apply = lambda: self.model.put_customer(customer)
        else:
            order = self.traffic.order()
            task = Task("put_order", lambda: put_order(self.table, order, now, deadline))
            is_equal = lambda: self.model.has_order(order)
            apply = lambda: self.model.put_order(order)

        def commit(change: Change) -> None:
            task.has_committed = True
            apply()

        task.observe, task.commit, task.finish = observe, commit, finish
        self._start(task)

    def _deploy(self) -> None:
        self.rules = self.random.choice(RULES)

    def _advance(self) -> None:
        duration = self.traffic.advance()
        if duration > timedelta(minutes=1) and self.scheduler.tasks and self.random.random() < 0.6:
            return
        if duration > timedelta(seconds=5):
            while self.faults.late_writes:
                self._deliver_late()
        if duration > timedelta(minutes=1) and self.random.random() < 0.9:
            self.store.update_index()
        self.scheduler.now += duration.total_seconds()
        self._log(f"advance {duration}")
        if duration > timedelta(minutes=10):
            # Lambda can run two sweeps at the same time.
            self._sweep()
            self._sweep()

    def _finish(self) -> None:
        """Finish all tasks and deliver all messages without faults. Then release all reservations."""
        self._finish_tasks()
        self.faults.enabled = False
        for _ in range(3):
            while self.faults.late_writes:
                self._deliver_late()
            self._finish_tasks()
            while due := [message for message in self.messages if not message.acknowledged]:
                self.scheduler.now = max(self.scheduler.now, due[0].available_at)
                self._start_delivery(due[0])
                self._finish_tasks()
            self.store.update_index()
            self._sweep()
            self._finish_tasks()
            self.scheduler.now += timedelta(hours=26).total_seconds()
        while any(len(changes) > position for changes, position in zip(self.shards, self.positions, strict=True)):
            self._publish()
            self._finish_tasks()
        self.store.update_index()
        assert not self.store.index, "a payment is still pending"
        check_final_state(self.store.items, self.model, self.published)

    def _finish_tasks(self) -> None:
        for _ in range(10_000):
            if not self.scheduler.tasks:
                return
            self._resume()
        raise AssertionError("the tasks do not finish")

    def _start(self, task: Task) -> None:
        self._log(f"start {task.name}")
        self.scheduler.start(task)

    def _receive_changes(self, changes: Sequence[Change]) -> None:
        task = self.scheduler.current
        assert task
        for change in changes:
            self.shards[zlib.crc32(change.key[0].encode()) % SHARDS].append(change)
            self._guarded(task.commit)(change)

    def _receive_event(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        events = self.published.setdefault(detail["pnm_payment_identifier"], {})
        check_events(events, detail_type, detail, self.model)

    def _accept_submission(self, request: MakePaymentRequest, identifier: str) -> str:
        self.accepted[identifier] += 1
        assert self.accepted[identifier] == 1, "a payment was submitted twice"
        messages = self.traffic.new_payment(
            self.scheduler.now, int(self._epoch_seconds()), request.pnm_order_identifier, identifier
        )
        self.messages += messages
        return messages[0].payment_id if messages else "0"

    def _event_types(self, site_payment_identifier: str) -> list[str]:
        return [
            event_type
            for message in self.messages
            if message.content.site_payment_identifier == site_payment_identifier
            for event_type in self.model.event_types[message.payment_id]
        ]

    def _guarded[**P, R](self, function: Callable[P, R]) -> Callable[P, R]:
        """Store an assertion's error, because the layer can catch it."""

        def guarded(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return function(*arguments, **named)
            except AssertionError as error:
                self.failure = self.failure or error
                raise

        return guarded

    def _epoch_seconds(self) -> float:
        return START_TIME.timestamp() + self.scheduler.now

    def _now(self) -> datetime:
        """Return the clock of a new invocation. The clocks of two invocations differ by up to two seconds."""
        return START_TIME + timedelta(seconds=self.scheduler.now + self.random.uniform(-1, 1))

    def _deadline(self, seconds: float) -> SimulatedDeadline:
        scheduler = self.scheduler
        return SimulatedDeadline(scheduler.now + seconds, scheduler.clock, scheduler.pause, self.random)

    def _log(self, text: str) -> None:
        self.trace.append(f"{self.step:>5} {self.scheduler.now:12.3f} {text}")


@lru_cache
def _policy(rules: Rules) -> SitePolicy:
    return parse_document(rules.to_document()).defaults


def _location(error: BaseException) -> str:
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
