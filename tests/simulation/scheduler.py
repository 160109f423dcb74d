"""Run concurrent invocations one at a time, in an order that the caller determines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Semaphore, Thread

from tenacity import Retrying

from paynearme.platform.deadline import Deadline
from tests.simulation.store import Change


class CrashError(BaseException):
    """The end of an invocation by Lambda. No ``except Exception`` catches it."""


@dataclass(eq=False)
class Task:
    """An invocation in its own thread, which runs only during ``Scheduler.resume``.

    ``observe`` runs immediately before each request to the table has its effect, ``commit`` for each change,
    and ``finish`` after an end without an error.
    """

    name: str
    function: Callable[[], object]
    observe: Callable[[], None] = lambda: None
    commit: Callable[[Change], None] = lambda change: None
    finish: Callable[[], None] = lambda: None
    wake_at: float = 0.0
    finished: bool = False
    crashed: bool = False
    has_committed: bool = False
    error: BaseException | None = None
    result: object = None
    turn: Semaphore = field(default_factory=lambda: Semaphore(0))


class Scheduler:
    """The clock in seconds, and the tasks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self._turn = Semaphore(0)

    def running(self) -> Task:
        """Return the running task."""
        if self.current is None:
            raise AssertionError("no task runs")
        return self.current

    def start(self, task: Task) -> None:
        """Add a task. It runs after the first ``resume``."""
        task.wake_at = self.now
        self.tasks.append(task)
        Thread(target=self._run, args=(task,), daemon=True).start()

    def resume(self, task: Task) -> None:
        """Run a task until its next pause or its end."""
        self.now = max(self.now, task.wake_at)
        self.current = task
        task.turn.release()
        self._turn.acquire()
        self.current = None
        if task.finished:
            self.tasks.remove(task)

    def crash(self, task: Task) -> None:
        """End a task at its current pause."""
        task.crashed = True
        self.resume(task)

    def pause(self, seconds: float) -> None:
        """Let other tasks run. The current task continues ``seconds`` later at the earliest."""
        task = self.running()
        task.wake_at = self.now + seconds
        self._turn.release()
        task.turn.acquire()
        if task.crashed:
            raise CrashError

    def runnable(self) -> list[Task]:
        """Return the tasks that can continue now, or else the task that can continue first."""
        ready = [task for task in self.tasks if task.wake_at <= self.now]
        return ready or sorted(self.tasks, key=lambda task: task.wake_at)[:1]

    def _run(self, task: Task) -> None:
        task.turn.acquire()
        try:
            if task.crashed:
                raise CrashError
            task.result = task.function()
        except BaseException as error:
            task.error = error
        task.finished = True
        self._turn.release()


@dataclass(frozen=True)
class SimulatedDeadline(Deadline):
    """A deadline without threads. ``random`` determines the waits between attempts."""

    random: Random = field(default_factory=Random)

    def run[T](self, function: Callable[[], T]) -> T:
        if self.remaining <= 0:
            raise TimeoutError
        try:
            result = function()
        except Exception:
            if self.remaining < 0:
                raise TimeoutError from None
            raise
        if self.remaining < 0:
            raise TimeoutError
        return result

    def retrying(
        self, is_retryable: Callable[[BaseException], bool], max_attempt: float, min_wait: float = 0.0
    ) -> Retrying:
        policy = super().retrying(is_retryable, max_attempt, min_wait)
        return policy.copy(wait=lambda state: min_wait + self.random.uniform(0, 0.02 * 2**state.attempt_number))
