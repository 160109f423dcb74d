"""The actions of a run. The seeded scheduler and the state machine of Hypothesis select the same actions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.protocol.merchant_input import CustomerInput, OrderInput
from paynearme.protocol.parsing import read_message
from tests.simulation import traffic
from tests.simulation.engine import Engine, description
from tests.simulation.faults import FAULTS
from tests.simulation.quarantine_tasks import start_quarantine, start_resolution
from tests.simulation.scheduler import Task
from tests.simulation.traffic import CHANGES, ORDERS, POLICIES, TYPES, WINDOWS, Message
from tests.support.callback_fixtures import SITE

MAX_TASKS, MAX_PAYMENTS = 8, 15
_INDEXES = (0, 0, 0, 1, 1, 2, 3, 5, 8)
"""Positions from the end of a list, modulo its length."""
_HOUR = 3600


class SimulationError(AssertionError):
    """A violated invariant, with the last actions and requests."""


class Simulation(Engine):
    """One run. With ``at_once``, an invocation runs to its end before all others, without faults."""

    def act(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Run an action of ``ACTIONS``. Raises ``SimulationError``."""
        self.log(f"{name}({', '.join(f'{argument}={value!r}' for argument, value in arguments.items())})")
        self._check(lambda: getattr(self, name)(**arguments))

    def close(self, *, settle: bool) -> None:
        """End all tasks. With ``settle``, finish and deliver everything before, and check the final state."""
        try:
            if settle:
                self._check(self._settle)
        finally:
            for task in list(self.scheduler.tasks):
                self.scheduler.crash(task)

    def create(self, customer: str | None, amount: str, payment_type: str | None, order: str, at_once: bool) -> None:
        """Create a payment at PayNearMe, and send its authorization."""
        self.add_payment(customer, amount, payment_type, order)
        self.authorize(0, "", at_once)

    def authorize(self, payment: int, change: str, at_once: bool) -> None:
        self._send(traffic.authorization(self._parameters(payment, change)), at_once)

    def confirm(self, payment: int, status: str, change: str, fee: str, without_policy: bool, at_once: bool) -> None:
        message = traffic.confirmation(self._parameters(payment, change), status, fee)
        self._send(message, at_once, without_policy)

    def reverse(self, payment: int, amount: str, kind: str, change: str, days_ago: int, at_once: bool) -> None:
        sent_at = int(self.epoch_seconds()) - days_ago * 24 * _HOUR
        parameters = {**self._parameters(payment, change), "timestamp": str(sent_at)}
        self._send(traffic.reversal(parameters, amount, kind), at_once)

    def deliver_again(self, message: int, at_once: bool) -> None:
        self._run(self.start_delivery(_from_end(self.messages, message)), at_once)

    def sweep(self, at_once: bool) -> None:
        self._run(self.start_sweep(), at_once)

    def publish(self, count: int, at_once: bool) -> None:
        self._run(self.start_publisher(count), at_once)

    def quarantine(self, message: int, at_once: bool) -> None:
        self._run(start_quarantine(self, _from_end(self.messages, message)), at_once)

    def replay(self, item: int, at_once: bool) -> None:
        self._run(start_resolution(self, _from_end(self.model.unresolved(), item), discard=False), at_once)

    def discard(self, item: int, at_once: bool) -> None:
        self._run(start_resolution(self, _from_end(self.model.unresolved(), item), discard=True), at_once)

    def submit(self, key: int, at_once: bool) -> None:
        parameters = {"Idempotency-Key": f"key-{key}", "pnm_order_identifier": ORDERS[key % len(ORDERS)]}
        parameters |= {"payment_method_identifier": "77", "site_channel": "consumer"}
        parameters |= {"payment_amount": "20.00", "payment_currency": "USD"}
        self._run(self.start_submission(read_message(MakePaymentRequest, parameters)), at_once)

    def put_customer(self, customer: str, status: str, window: str, limit: str | None, at_once: bool) -> None:
        parameters = {"site_identifier": SITE, "site_customer_identifier": customer, "status": status}
        parameters |= {"suspended_reason": "review"} if status == "suspended" else {}
        parameters |= {f"self_imposed_{window}_limit": limit} if limit else {}
        self._run(self.start_put(customer, read_message(CustomerInput, parameters)), at_once)

    def put_order(self, order: str, status: str, at_once: bool) -> None:
        parameters = {"site_identifier": SITE, "pnm_order_identifier": order, "status": status}
        self._run(self.start_put(order, read_message(OrderInput, parameters)), at_once)

    def deploy(self, policy: str) -> None:
        self.policy = policy

    def advance(self, seconds: int) -> None:
        """Advance the clock. All late writes arrive before."""
        while seconds > 5 and self.faults.late_writes:
            self.deliver_late(0)
        self.scheduler.advance(seconds)

    def update_index(self, count: int) -> None:
        self.store.update_index(count)

    def resume(self, task: int, fault: str, requests: int) -> None:
        """Run an invocation until its next requests. ``fault`` is that of the first one."""
        runnable = self.scheduler.runnable()
        selected = runnable[task % len(runnable)]
        selected.fault = fault
        for _ in range(requests):
            if not selected.finished:
                self.run_task(selected, self.scheduler.resume)

    def crash(self, task: int) -> None:
        selected = _from_end(self.scheduler.tasks, task)
        self.log(f"    {selected.name} ends")
        self.run_task(selected, self.scheduler.crash)

    def deliver_late(self, index: int) -> None:
        writes = self.faults.late_writes
        task, apply = writes.pop(index % len(writes))
        self.log(f"    late write of {task.name}")
        self.run_task(task, lambda _: self.faults.apply_late(task, apply))

    def finish(self) -> None:
        """Run all invocations to their end without further faults."""
        for _ in range(10_000):
            if not self.scheduler.tasks:
                return
            self.run_task(self.random.choice(self.scheduler.runnable()), self.scheduler.resume)
        raise AssertionError("the tasks do not finish")

    def _check(self, run: Callable[[], None]) -> None:
        try:
            run()
        except AssertionError as error:
            raise SimulationError("\n".join([description(error), *self.trace])) from error

    def _parameters(self, payment: int, change: str) -> traffic.Parameters:
        parameters, timestamp = _from_end(self.payments, payment), str(int(self.epoch_seconds()))
        # The outcome of a test payment would resolve the submission of another payment.
        is_submitted_test = change == "test" and parameters["site_payment_identifier"]
        return {**parameters, "timestamp": timestamp, **CHANGES["" if is_submitted_test else change]}

    def _send(self, message: Message, at_once: bool, without_policy: bool = False) -> None:
        self.messages.append(message)
        self._run(self.start_delivery(message, without_policy), at_once)

    def _run(self, task: Task, at_once: bool) -> None:
        while at_once and not task.finished:
            self.run_task(task, self.scheduler.resume)

    def _settle(self) -> None:
        """Finish all tasks, deliver and replay all messages without faults, and release all reservations."""
        self.finish()
        for _ in range(3):
            while self.faults.late_writes:
                self.deliver_late(0)
            while due := [message for message in self.messages if not message.acknowledged]:
                self._run(self.start_delivery(due[0]), at_once=True)
            for callback_id in self.model.unresolved():
                is_authorization = isinstance(self.model.quarantined[callback_id].content, Authorization)
                self._run(start_resolution(self, callback_id, discard=is_authorization), at_once=True)
            self.store.update_index()
            self._run(self.start_sweep(), at_once=True)
            self.scheduler.advance(26 * _HOUR)
        while self.can_publish():
            self._run(self.start_publisher(10), at_once=True)
        self.store.update_index()
        assert not self.store.index, "a payment is still pending"
        self.check()
        for payment_id, expected in self.events.items():
            published = list(self.published[payment_id])
            assert published == [identifier for _, identifier, _ in expected], f"events of payment {payment_id}"

    def can_publish(self) -> bool:
        """Return whether the stream has records, and no publisher runs."""
        return len(self.stream) > self.position and all(task.name != "publish" for task in self.scheduler.tasks)


@dataclass(frozen=True)
class Action:
    """The relative frequency, the condition in which it has an effect, and the values of its arguments."""

    weight: float
    is_possible: Callable[[Simulation], object]
    values: Mapping[str, Sequence[Any]]


def _can_start(simulation: Simulation) -> bool:
    return len(simulation.scheduler.tasks) < MAX_TASKS


def _can_send(simulation: Simulation) -> object:
    return _can_start(simulation) and simulation.payments


type _Values = dict[str, Sequence[Any]]
_CUSTOMERS = ("ann", "ann", "bob", None)
_PAYMENT: _Values = {"payment": _INDEXES, "change": ("",) * 12 + tuple(CHANGES)}
_CONTENT: _Values = {
    "customer": _CUSTOMERS,
    "amount": ("20.00", "40.00", "60.00", "100.00"),
    "payment_type": tuple(TYPES),
}
_CONFIRMATION: _Values = {"status": ("payment", "payment", "decline"), "fee": ("5.00",) * 9 + ("-1.00",)}
_REVERSAL: _Values = {
    "kind": ("Bank Return", "Chargeback", "Refund", "Adjustment", "Chargeback won"),
    "amount": ("5.00", "15.00", "15.01", "40.00"),
}
_CUSTOMER: _Values = {"customer": _CUSTOMERS[:3], "status": ("active", "active", "active", "suspended")}
_LIMIT: _Values = {"window": WINDOWS, "limit": (None, "80.00", "200.00")}
_ORDER: _Values = {"order": ORDERS}
_START: _Values = {"at_once": (True, False, False, False)}
_TASK: _Values = {"task": range(MAX_TASKS)}
_FAULTS = ("",) * 40 + FAULTS
ACTIONS: Mapping[str, Action] = {
    "create": Action(5, lambda run: _can_start(run) and len(run.payments) < MAX_PAYMENTS, _CONTENT | _ORDER | _START),
    "authorize": Action(2, _can_send, _PAYMENT | _START),
    "confirm": Action(7, _can_send, _PAYMENT | _CONFIRMATION | {"without_policy": (False,) * 9 + (True,)} | _START),
    "reverse": Action(6, _can_send, _PAYMENT | _REVERSAL | {"days_ago": (0, 0, 1, 2, -1)} | _START),
    "deliver_again": Action(12, lambda run: _can_send(run) and run.messages, {"message": _INDEXES} | _START),
    "sweep": Action(4, lambda run: _can_start(run) and run.store.index, _START),
    "publish": Action(5, lambda run: _can_start(run) and run.can_publish(), {"count": (1, 3, 10)} | _START),
    "quarantine": Action(2, lambda run: _can_send(run) and run.messages, {"message": _INDEXES} | _START),
    "replay": Action(3, lambda run: _can_start(run) and run.model.unresolved(), {"item": _INDEXES} | _START),
    "discard": Action(0.3, lambda run: _can_start(run) and run.model.unresolved(), {"item": _INDEXES} | _START),
    "submit": Action(2, _can_start, {"key": (0, 0, 1, 2)} | _START),
    "put_customer": Action(1.5, _can_start, _CUSTOMER | _LIMIT | _START),
    "put_order": Action(1, _can_start, _ORDER | {"status": ("open", "open", "closed")} | _START),
    "deploy": Action(1, lambda run: True, {"policy": tuple(POLICIES)}),
    "advance": Action(5, lambda run: True, {"seconds": (1, 30, 700, 2 * _HOUR, 25 * _HOUR, 25 * _HOUR)}),
    "update_index": Action(8, lambda run: run.store.index_updates, {"count": (100, 5, 1)}),
    "resume": Action(35, lambda run: run.scheduler.tasks, _TASK | {"fault": _FAULTS, "requests": (1, 1, 1, 1, 2, 30)}),
    "crash": Action(1, lambda run: run.scheduler.tasks, _TASK),
    "deliver_late": Action(3, lambda run: run.faults.late_writes, {"index": _INDEXES}),
    "finish": Action(1, lambda run: run.scheduler.tasks, {}),
}


def run_seed(seed: int, steps: int) -> Simulation:
    """Run ``steps`` random actions. Raises ``SimulationError``."""
    random = Random(seed)  # noqa: S311 # repeatable, not secret
    simulation = Simulation(random)
    # Each seed has other frequencies and values, so that rare combinations occur together in some seeds.
    weights = {name: action.weight * random.choice((0.25, 1, 4)) for name, action in ACTIONS.items()}
    values = {
        (name, argument): random.choice((options, options, (random.choice(options),)))
        for name, action in ACTIONS.items()
        for argument, options in action.values.items()
    }
    simulation.policy, is_complete = random.choice(tuple(POLICIES)), False
    try:
        for _ in range(steps):
            names = [name for name, action in ACTIONS.items() if action.is_possible(simulation)]
            [name] = random.choices(names, [weights[name] for name in names])
            simulation.act(name, {argument: random.choice(values[name, argument]) for argument in ACTIONS[name].values})
        is_complete = True
    finally:
        simulation.close(settle=is_complete)
    return simulation


def _from_end[T](items: Sequence[T], index: int) -> T:
    return items[-1 - index % len(items)]
