"""How much of a call's time is left, and the one retry policy that respects it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import SystemRandom

from tenacity import RetryCallState, Retrying, retry_if_exception

_MAX_BACKOFF_SECONDS = 0.4

# Not the module-level generator: SnapStart restores its state into every copy of a function, and
# copies that lost a race together would then wait equally long and race again.
_random = SystemRandom()

# More than one, so that a call that was given up does not stand in the way of the next.
_executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bound")


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock after which no answer is worth having.

    ``ends_at`` is in seconds of ``clock``. ``sleep`` takes seconds.
    """

    ends_at: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def after(
        cls,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> "Deadline":
        """Return the deadline that ends ``seconds`` from now."""
        return cls(clock() + seconds, clock, sleep)

    @property
    def remaining(self) -> float:
        """Seconds left; negative once the deadline has passed."""
        return self.ends_at - self.clock()

    def within(self, seconds: float) -> "Deadline":
        """Return the deadline that ends ``seconds`` from now, or this one if it ends sooner."""
        return replace(self, ends_at=min(self.ends_at, self.clock() + seconds))

    def minus(self, seconds: float) -> "Deadline":
        """Return the deadline that ends ``seconds`` before this one."""
        return replace(self, ends_at=self.ends_at - seconds)

    def run[T](self, function: Callable[[], T]) -> T:
        """Return what ``call`` returns; raise ``TimeoutError`` if that is not before the deadline.

        A socket's time-outs bound each wait for bytes, but neither the look-up of a name nor an answer
        that comes byte by byte. A call that is given up goes on in its thread, and nobody hears of it.
        """
        if self.remaining <= 0:
            raise TimeoutError
        future = _executor.submit(function)
        try:
            return future.result(timeout=self.remaining)
        finally:
            future.cancel()

    def retrying(
        self,
        is_retryable: Callable[[BaseException], bool],
        max_attempt: float,
        min_wait: float = 0.0,
    ) -> Retrying:
        """Return a policy that repeats a call for as long as one more attempt still fits.

        ``is_transient`` says which errors may be tried again; the last one is raised as it is.
        ``longest_attempt`` is the most seconds that one attempt can take: after a wait, an attempt is
        only begun with that much time left. Waits double from about 20 ms, with full jitter, on top of
        ``least_wait`` seconds.
        """

        def wait(state: RetryCallState) -> float:
            return min_wait + _random.uniform(0, min(_MAX_BACKOFF_SECONDS, 0.02 * 2**state.attempt_number))

        def stop(state: RetryCallState) -> bool:
            return self.remaining - state.upcoming_sleep < max_attempt

        return Retrying(
            retry=retry_if_exception(is_retryable),
            wait=wait,
            stop=stop,
            sleep=self.sleep,
            reraise=True,
        )
