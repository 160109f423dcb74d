"""A clock that stands still until somebody sleeps or works."""

from dataclasses import dataclass, field

from paynearme.platform.deadline import Deadline


@dataclass
class Clock:
    """Seconds that pass only by ``sleep`` and ``work``; ``sleeps`` are those of ``sleep``."""

    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass by waiting."""
        self.sleeps.append(seconds)
        self.now += seconds

    def work(self, seconds: float) -> None:
        """Let time pass by working."""
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        """Return the deadline that ends ``seconds`` from now."""
        return Deadline.after(seconds, self, self.sleep)
