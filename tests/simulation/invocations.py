"""Start the functions of the layer as tasks, and compare their results with the model."""

import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from random import Random
from typing import Any

from paynearme.errors import PaymentFailedError, RequestRejectedError
from paynearme.events.event_bus import DeadLetterQueue, EventBus
from paynearme.events.event_publisher import publish
from paynearme.ledger.authorization import authorize
from paynearme.ledger.confirmation import confirm
from paynearme.ledger.merchant_data import put_customer, put_order
from paynearme.ledger.results import AuthorizationResult, ConfirmationResult, ReversalResult
from paynearme.ledger.reversal import reverse
from paynearme.platform.settings import SweepSettings
from paynearme.policy import Reason, SitePolicy
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.protocol.merchant_input import CustomerInput
from paynearme.submissions.payment_submission import submit_once
from paynearme.sweep.unconfirmed_sweep import sweep
from tests.simulation.checks import check_events
from tests.simulation.faults import EventBridgeClient, FakePayNearMe, Faults, TableClient
from tests.simulation.model import Delivery, Message, SimulationModel
from tests.simulation.planted_bugs import PlantedBug
from tests.simulation.scheduler import Scheduler, SimulatedDeadline, Task
from tests.simulation.store import Change, Store
from tests.simulation.traffic import RULES, Traffic
from tests.support.ledger_model import Rules
from tests.support.message_fixtures import resolved_site
from tests.support.policy_builders import parse_document

START_TIME = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
"""A Friday evening, shortly before the end of the day, the week and the month."""
SWEEP_SETTINGS = SweepSettings(table_name="", unconfirmed_after_minutes=10, reservation_timeout_minutes=60)
SHARDS = 2


class Invocations:
    """The state of a run, and one method to start each function."""

    def __init__(self, random: Random, bug: PlantedBug) -> None:
        self.random = random
        self.step = 0
        self.trace: deque[str] = deque(maxlen=60)
        self.scheduler = Scheduler()
        self.faults = Faults(self.scheduler, self.random, self.log)
        self.store = Store(self.epoch_seconds, self._receive_changes, page_size=3)
        self.model = SimulationModel()
        self.traffic = Traffic(self.random)
        self.messages: list[Message] = []
        self.accepted: Counter[str] = Counter()
        self.published: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {}
        self.shards: list[list[Change]] = [[] for _ in range(SHARDS)]
        self.positions = [0] * SHARDS
        self.rules = self.random.choice(RULES)
        self.failure: BaseException | None = None
        self.table = bug.table(TableClient(self.store, self.faults))
        bus: Any = EventBridgeClient(self.faults, self._guarded(self._receive_event))
        self.bus = EventBus("bus", bus)
        # Every record is valid, so the queue remains empty: a request to it is an error.
        unused: Any = object()
        self.dead_letter_queue = DeadLetterQueue("queue", unused)
        self.paynearme = FakePayNearMe(self.faults, self._guarded(self._accept_submission))

    def start_delivery(self, message: Message) -> None:
        content, now, deadline = message.content, self._invocation_time(), self._deadline(6.5)
        without_policy = isinstance(content, Confirmation) and self.faults.occurs(0.05)
        delivery = Delivery(message, None if without_policy else self.rules, now)
        policy = _policy(self.rules)

        def process() -> object:
            match content:
                case Authorization():
                    return authorize(self.table, content, policy, now, deadline)
                case Confirmation():
                    return confirm(self.table, content, None if without_policy else policy, now, deadline)
            return reverse(self.table, content, now, deadline)

        def commit(change: Change) -> None:
            if change.key[1] == "PAYMENT" and not content.test:
                task.has_committed |= self.model.commit(delivery, change.old, change.new)

        def finish() -> None:
            message.acknowledged = True
            if not content.test:
                self._check_acknowledgement(delivery, task)

        name = f"{type(content).__name__} {message.payment_id}{' test' * content.test}"
        task = Task(name, process, partial(self.model.observe, delivery), commit, finish)
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

    def publish(self) -> None:
        shard = self.random.randrange(SHARDS)
        name = f"publish {shard}"
        records = self.shards[shard][self.positions[shard] :][: self.random.randint(1, 10)]
        if not records or any(task.name == name for task in self.scheduler.tasks):
            return
        batch = [change.to_record() for change in records]

        def finish() -> None:
            self.positions[shard] += len(batch)

        process = partial(
            publish, batch, self.bus, self.dead_letter_queue, 10**9, self._invocation_time(), self._deadline(60)
        )
        self._start(Task(name, process, finish=finish))

    def sweep(self) -> None:
        now, deadline = self._invocation_time(), self._deadline(SWEEP_SETTINGS.sweep_timeout_seconds)

        def commit(change: Change) -> None:
            if change.key[1] == "PAYMENT":
                self.model.commit_sweep(change.new["pnm_payment_identifier"], change.old, change.new, now)

        self._start(Task("sweep", lambda: sweep(self.table, SWEEP_SETTINGS, now, deadline), commit=commit))

    def submit_payment(self) -> None:
        request, site, now, deadline = (
            self.traffic.submission(),
            resolved_site(),
            self._invocation_time(),
            self._deadline(8),
        )
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

    def put_merchant_data(self) -> None:
        now, deadline = self._invocation_time(), self._deadline(6.5)
        is_customer = self.random.random() < 0.5
        put_input = self.traffic.customer() if is_customer else self.traffic.order()
        was_equal = False

        def put() -> None:
            if isinstance(put_input, CustomerInput):
                put_customer(self.table, put_input, now, deadline)
            else:
                put_order(self.table, put_input, now, deadline)

        def observe() -> None:
            nonlocal was_equal
            was_equal |= self.model.contains(put_input)

        def commit(change: Change) -> None:
            task.has_committed = True
            self.model.put(put_input)

        def finish() -> None:
            assert task.has_committed or was_equal, "acknowledged values are not stored"

        task = Task("put_customer" if is_customer else "put_order", put, observe, commit, finish)
        self._start(task)

    def _start(self, task: Task) -> None:
        self.log(f"start {task.name}")
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
        now, order = self.scheduler.now, request.pnm_order_identifier
        messages = self.traffic.new_payment(now, int(self.epoch_seconds()), order, identifier)
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

        def guarded(*arguments: P.args, **keywords: P.kwargs) -> R:
            try:
                return function(*arguments, **keywords)
            except AssertionError as error:
                self.failure = self.failure or error
                raise

        return guarded

    def epoch_seconds(self) -> float:
        return START_TIME.timestamp() + self.scheduler.now

    def _invocation_time(self) -> datetime:
        """Return the clock of a new invocation. The clocks of two invocations differ by up to two seconds."""
        return START_TIME + timedelta(seconds=self.scheduler.now + self.random.uniform(-1, 1))

    def _deadline(self, seconds: float) -> SimulatedDeadline:
        scheduler = self.scheduler
        return SimulatedDeadline(scheduler.now + seconds, lambda: scheduler.now, scheduler.pause, self.random)

    def log(self, text: str) -> None:
        self.trace.append(f"{self.step:>5} {self.scheduler.now:12.3f} {text}")


@lru_cache
def _policy(rules: Rules) -> SitePolicy:
    return parse_document(rules.to_document()).defaults
