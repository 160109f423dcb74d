"""A clock that a test controls."""

from dataclasses import dataclass, field

from paynearme.platform.deadline import Deadline


@dataclass
class Clock:
    """Return ``now`` in seconds. Time passes only by ``sleep`` and ``advance``. ``sleeps`` records the sleeps."""

    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the time, and record the sleep."""
        self.sleeps.append(seconds)
        self.now += seconds

    def advance(self, seconds: float) -> None:
        """Advance the time without a sleep, as work does."""
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline ``seconds`` from now."""
        return Deadline.after(seconds, self, self.sleep)
