"""The time that remains for an operation, and the retry policy of all AWS requests."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity import RetryCallState

MAX_ATTEMPT_SECONDS = 2.5
"""The maximum duration of one attempt of an AWS request: connect, then wait for the response."""

_MAX_BACKOFF_SECONDS = 0.4

# SnapStart copies the state of the module-level generator into every copy of a function. Copies that conflict
# would then wait equally long and conflict again.
_random = SystemRandom()

# More than one thread, so that a discarded call does not delay the next call.
_executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="deadline")


class RetryableError(Exception):
    """A failure that a retry can resolve, independent of an AWS error code."""


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock by which an operation must finish.

    ``ends_at`` is in seconds of ``clock``. ``sleep`` takes seconds. ``random`` determines the waits between attempts.
    """

    ends_at: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Random = _random

    @classmethod
    def after(
        cls, seconds: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> "Deadline":
        """Return a deadline ``seconds`` from now."""
        return cls(clock() + seconds, clock, sleep)

    @property
    def remaining(self) -> float:
        """Return the remaining seconds, which are negative after the deadline."""
        return self.ends_at - self.clock()

    def within(self, seconds: float) -> "Deadline":
        """Return a deadline ``seconds`` from now, or this one if it is earlier."""
        return replace(self, ends_at=min(self.ends_at, self.clock() + seconds))

    def minus(self, seconds: float) -> "Deadline":
        """Return a deadline that is ``seconds`` earlier than this one."""
        return replace(self, ends_at=self.ends_at - seconds)

    def run[T](self, function: Callable[[], T]) -> T:
        """Return the result of ``function``. Raises ``TimeoutError`` if it does not finish before the deadline.

        A socket timeout limits each wait for bytes, but neither a name lookup nor a slow response in small
        parts. On timeout, the function keeps running in its thread, and its result is discarded.
        """
        if self.remaining <= 0:
            raise TimeoutError
        future = _executor.submit(function)
        try:
            return future.result(timeout=self.remaining)
        finally:
            future.cancel()

    def call[T](
        self,
        function: Callable[[], T],
        is_retryable: Callable[[BaseException], bool],
        max_attempt: float = MAX_ATTEMPT_SECONDS,
        *,
        allow_short_attempt: bool = False,
    ) -> T:
        """Return the result of ``function``, with retries while one more attempt fits before the deadline.

        Each attempt is limited to ``max_attempt`` seconds, by ``run``. Raises ``TimeoutError`` if less time remains for
        the first attempt, or if the last attempt times out. Other errors of the last attempt are raised unchanged.
        With ``allow_short_attempt``, the first attempt starts while any time remains.
        """
        if self.remaining < max_attempt and not allow_short_attempt:
            raise TimeoutError
        return self.retry(lambda: self.within(max_attempt).run(function), is_retryable, max_attempt)

    def retry[T](
        self,
        function: Callable[[], T],
        is_retryable: Callable[[BaseException], bool],
        max_attempt: float,
        min_wait: float = 0.0,
    ) -> T:
        """Return the result of ``function``, with retries while ``max_attempt`` seconds remain after the wait.

        The waits double from about 20 ms, with full jitter, in addition to ``min_wait`` seconds. ``function`` runs in
        the thread of the caller and limits its own duration. The last error is raised unchanged.
        """
        try:
            return function()
        except Exception as error:
            if not is_retryable(error):
                raise
            first_error = error
        # Imported here, because most requests succeed at the first attempt.
        from tenacity import Retrying, retry_if_exception

        failed_attempts = [first_error]

        def attempt() -> T:
            if failed_attempts:
                raise failed_attempts.pop()
            return function()

        def wait(state: "RetryCallState") -> float:
            backoff = min(_MAX_BACKOFF_SECONDS, 0.02 * 2**state.attempt_number)
            return min_wait + self.random.uniform(0, backoff)

        def stop(state: "RetryCallState") -> bool:
            return self.remaining - state.upcoming_sleep < max_attempt

        retrying = Retrying(
            retry=retry_if_exception(is_retryable), wait=wait, stop=stop, sleep=self.sleep, reraise=True
        )
        return retrying(attempt)
