"""One value that is loaded again when it is too old."""

import time
from collections.abc import Callable


class CachedValue[T]:
    """Cache one value for ``max_age_seconds`` in this process. If loading fails, the cached value does not change."""

    def __init__(self, max_age_seconds: float, clock: Callable[[], float] = time.time) -> None:
        """Cache nothing yet. ``clock`` returns seconds."""
        # The default is the system time, because the monotonic clock can stop while Lambda freezes the process.
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._entry: tuple[T, float] | None = None

    @property
    def value(self) -> T | None:
        """Return the cached value of any age, or ``None`` if nothing is cached."""
        return self._entry[0] if self._entry else None

    def keep(self, seconds: float) -> None:
        """Load the cached value again after ``seconds`` from now."""
        if self._entry:
            self._entry = (self._entry[0], self._clock() + seconds)

    def get(self, load: Callable[[], T], *, refresh: bool = False) -> T:
        """Return the cached value. If it is missing or too old, or with ``refresh``, call ``load`` first."""
        if refresh or self._entry is None or self._clock() >= self._entry[1]:
            self._entry = (load(), self._clock() + self._max_age_seconds)
        return self._entry[0]
