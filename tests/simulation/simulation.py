"""Run all functions of the layer concurrently, and compare the table and the events with the model."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random

from paynearme.errors import LedgerUnavailableError, ServiceError
from tests.simulation.checks import check_final_state, check_state
from tests.simulation.invocations import Invocations
from tests.simulation.planted_bugs import PlantedBug
from tests.simulation.scheduler import CrashError, Task
from tests.simulation.traffic import RULES

MAX_TASKS = 8
MAX_PAYMENTS = 15

# The names of methods.
_WEIGHTS: Mapping[str, float] = {
    "resume": 70,
    "deliver": 12,
    "deliver_duplicate": 10,
    "create_payment": 5,
    "crash": 1,
    "deliver_late": 3,
    "update_index": 16,
    "publish": 5,
    "sweep": 3,
    "submit_payment": 2,
    "put_merchant_data": 2,
    "deploy": 0.7,
    "advance": 5,
}


class SimulationError(AssertionError):
    """A violated invariant, with the seed, the step and the last actions."""

    def __init__(self, seed: int, step: int, description: str, trace: Sequence[str]) -> None:
        super().__init__("\n".join([f"seed {seed}, step {step}: {description}", *trace]))
        self.seed = seed


class Simulation(Invocations):
    """One run. All random values come from ``seed``."""

    def __init__(self, seed: int, bug: PlantedBug | None = None) -> None:
        super().__init__(Random(seed), bug or PlantedBug())  # noqa: S311 # repeatable, not secret
        self.seed = seed
        # Each seed has other frequencies, so that rare combinations occur together in some seeds.
        self.weights = [weight * self.random.choice((0.25, 1, 4)) for weight in _WEIGHTS.values()]

    def run(self, steps: int) -> None:
        """Run ``steps`` random actions, then finish everything without faults."""
        try:
            for self.step in range(1, steps + 1):
                self._run_action()
            self._finish()
        except AssertionError as error:
            raise SimulationError(self.seed, self.step, str(error) or _location(error), list(self.trace)) from error
        finally:
            for task in list(self.scheduler.tasks):
                self.scheduler.crash(task)

    def _run_action(self) -> None:
        [action] = self.random.choices(list(_WEIGHTS), self.weights)
        if action == "resume" or (self.scheduler.tasks and len(self.scheduler.tasks) >= MAX_TASKS):
            action = "resume" if self.scheduler.tasks else "create_payment"
        getattr(self, action)()
        self.scheduler.now += self.random.uniform(0.0001, 0.005)

    def resume(self) -> None:
        self._run_task(self.random.choice(self.scheduler.runnable()), self.scheduler.resume)

    def crash(self) -> None:
        if self.scheduler.tasks:
            self._run_task(self.random.choice(self.scheduler.tasks), self.scheduler.crash)

    def _run_task(self, task: Task, run: Callable[[Task], None]) -> None:
        changes = self.store.change_count
        run(task)
        self.log(f"{run.__name__} {task.name}{f': {task.error!r}' if task.error else ''}{' end' * task.finished}")
        if self.failure:
            raise AssertionError(str(self.failure) or _location(self.failure)) from self.failure
        if task.finished and not isinstance(task.error, CrashError):
            if task.error is None:
                task.finish()
            elif not isinstance(task.error, ServiceError):
                raise AssertionError(f"{task.error!r} in {_location(task.error)}") from task.error
            elif not self.faults.enabled and isinstance(task.error, LedgerUnavailableError):
                raise AssertionError("unavailable without faults") from task.error
        if self.store.change_count > changes:
            check_state(self.store.items, self.model)

    def deliver(self) -> None:
        """Deliver a message that is not acknowledged, sometimes concurrently with a related one."""
        due = [message for message in self.messages if not message.acknowledged]
        due = [message for message in due if message.available_at <= self.scheduler.now]
        if due:
            message = self.random.choice(due)
            related = [other for other in due if other is not message and other.is_related(message)]
            for delivered in (message, *self.random.sample(related, self.random.randint(0, min(3, len(related))))):
                self.start_delivery(delivered)

    def deliver_duplicate(self) -> None:
        """Deliver an acknowledged message, if possible the authorization of a payment that was released."""
        repeated = [message for message in self.messages if message.acknowledged]
        undecided = [message for message in repeated if self.model.needs_new_decision(message)]
        if repeated:
            self.start_delivery(self.random.choice(undecided or repeated))

    def create_payment(self) -> None:
        if self.traffic.payment_count < MAX_PAYMENTS:
            timestamp = int(self.epoch_seconds())
            self.messages += self.traffic.new_payment(self.scheduler.now, timestamp)

    def deliver_late(self) -> None:
        if self.faults.late_writes:
            task = self.faults.deliver_late()
            self.log(f"late write of {task.name}")
            check_state(self.store.items, self.model)

    def update_index(self) -> None:
        self.store.update_index(self.random.choice((1, 5, 20)))

    def deploy(self) -> None:
        self.rules = self.random.choice(RULES)

    def advance(self) -> None:
        duration = self.traffic.advance()
        if duration > timedelta(minutes=1) and self.scheduler.tasks and self.random.random() < 0.5:
            return
        if duration > timedelta(seconds=5):
            while self.faults.late_writes:
                self.deliver_late()
        if duration > timedelta(minutes=1) and self.random.random() < 0.9:
            self.store.update_index()
        self.scheduler.now += duration.total_seconds()
        self.log(f"advance {duration}")
        if duration > timedelta(minutes=10):
            # Lambda can run two sweeps at the same time.
            self.sweep()
            self.sweep()

    def _finish(self) -> None:
        """Finish all tasks and deliver all messages without faults. Then release all reservations."""
        self._finish_tasks()
        self.faults.enabled = False
        for _ in range(3):
            while self.faults.late_writes:
                self.deliver_late()
            self._finish_tasks()
            while due := [message for message in self.messages if not message.acknowledged]:
                self.scheduler.now = max(self.scheduler.now, due[0].available_at)
                self.start_delivery(due[0])
                self._finish_tasks()
            self.store.update_index()
            self.sweep()
            self._finish_tasks()
            self.scheduler.now += timedelta(hours=26).total_seconds()
        while any(len(changes) > position for changes, position in zip(self.shards, self.positions, strict=True)):
            self.publish()
            self._finish_tasks()
        self.store.update_index()
        assert not self.store.index, "a payment is still pending"
        check_final_state(self.store.items, self.model, self.published)

    def _finish_tasks(self) -> None:
        for _ in range(10_000):
            if not self.scheduler.tasks:
                return
            self.resume()
        raise AssertionError("the tasks do not finish")


def _location(error: BaseException) -> str:
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
