"""Run concurrent invocations one at a time, in an order that the caller determines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any

from paynearme.platform.deadline import Deadline
from tests.simulation.store import Change


class CrashError(BaseException):
    """The end of an invocation by Lambda. No ``except Exception`` catches it."""


def _taken_lock() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


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
    fault: str = ""
    """The fault of the next request."""
    is_disturbed: bool = False
    """A fault occurred, another invocation changed the table, or the clock jumped, since the start."""
    has_committed: bool = False
    wake_at: float = 0.0
    finished: bool = False
    crashed: bool = False
    error: BaseException | None = None
    result: Any = None
    turn: Lock = field(default_factory=_taken_lock)


class Scheduler:
    """The clock in seconds, and the tasks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self._turn = _taken_lock()

    def running(self) -> Task:
        """Return the running task."""
        if self.current is None:
            raise AssertionError("no task runs")
        return self.current

    def start(self, task: Task) -> Task:
        """Add a task, and return it. It runs after the first ``resume``."""
        task.wake_at = self.now
        self.tasks.append(task)
        Thread(target=self._run, args=(task,), daemon=True).start()
        return task

    def resume(self, task: Task) -> None:
        """Run a task until its next pause or its end."""
        self.advance(max(0.0, task.wake_at - self.now))
        self.current = task
        task.turn.release()
        self._turn.acquire()
        self.current = None
        if task.finished:
            self.tasks.remove(task)

    def advance(self, seconds: float) -> None:
        """Advance the clock. The deadlines of paused tasks can pass."""
        self.now += seconds
        for task in self.tasks:
            task.is_disturbed |= seconds > 0.5 and task.wake_at < self.now

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


class SimulatedDeadline(Deadline):
    """A deadline without threads."""

    def run[T](self, function: Callable[[], T]) -> T:
        if self.remaining <= 0:
            raise TimeoutError
        try:
            return function()
        finally:
            if self.remaining < 0:
                raise TimeoutError
