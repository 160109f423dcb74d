import threading
from collections.abc import Callable
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.platform.deadline import Deadline
from tests.support.fake_clock import Clock


class BusyError(Exception):
    pass


def is_busy(error: BaseException) -> bool:
    return isinstance(error, BusyError)


def failing_call(clock: Clock, times: int, seconds: float = 0.0) -> tuple[Callable[[], str], list[float]]:
    """Return a function that fails ``times`` times, each after ``seconds``, and the start times of its attempts."""
    attempt_times: list[float] = []

    def call() -> str:
        attempt_times.append(clock.now)
        clock.advance(seconds)
        if len(attempt_times) <= times:
            raise BusyError(len(attempt_times))
        return "done"

    return call, attempt_times


def test_deadline_remaining_decreases_with_time() -> None:
    clock = Clock()
    deadline = clock.deadline(6.5)
    assert deadline.remaining == 6.5
    clock.advance(2.5)
    assert deadline.remaining == 4.0
    clock.advance(5)
    assert deadline.remaining == -1.0


def test_deadline_minus_ends_earlier() -> None:
    clock = Clock()
    deadline = clock.deadline(6.5)
    shortened = deadline.minus(1.5)
    assert (shortened.remaining, deadline.remaining) == (5.0, 6.5)
    clock.advance(5.5)
    assert (shortened.remaining, deadline.remaining) == (-0.5, 1.0)


def test_deadline_minus_retries_with_same_clock() -> None:
    clock = Clock()
    call, attempt_times = failing_call(clock, times=1)
    assert clock.deadline(6.5).minus(1.0).retrying(is_busy, 2.5)(call) == "done"
    assert (len(attempt_times), len(clock.sleeps)) == (2, 1)


def test_deadline_within_never_ends_later() -> None:
    deadline = Clock().deadline(6.5).minus(2.0)
    assert deadline.within(100).remaining == 4.5
    assert deadline.within(1.0).remaining == 1.0


def test_deadline_retrying_success_one_attempt_without_wait() -> None:
    clock = Clock()
    call, attempt_times = failing_call(clock, times=0)
    assert clock.deadline(6.5).retrying(is_busy, 2.5)(call) == "done"
    assert (len(attempt_times), clock.sleeps) == (1, [])


def test_deadline_retrying_attempts_until_success() -> None:
    clock = Clock()
    call, attempt_times = failing_call(clock, times=3)
    assert clock.deadline(6.5).retrying(is_busy, 2.5)(call) == "done"
    assert (len(attempt_times), len(clock.sleeps)) == (4, 3)


def test_deadline_retrying_attempt_beyond_deadline_not_started() -> None:
    clock = Clock()
    # After two attempts of 2.5 seconds, at most 1.5 seconds remain.
    call, attempt_times = failing_call(clock, times=100, seconds=2.5)
    with pytest.raises(BusyError):
        clock.deadline(6.5).retrying(is_busy, 2.5)(call)
    assert len(attempt_times) == 2


def test_deadline_retrying_wait_counts_against_deadline() -> None:
    clock = Clock()
    # One more attempt would fit only without a wait.
    call, attempt_times = failing_call(clock, times=100, seconds=2.5)
    with pytest.raises(BusyError):
        clock.deadline(5.0).retrying(is_busy, 2.5)(call)
    assert (len(attempt_times), clock.sleeps) == (1, [])


def test_deadline_retrying_last_error_raised_unchanged() -> None:
    clock = Clock()
    call, attempt_times = failing_call(clock, times=100, seconds=1.0)
    with pytest.raises(BusyError) as exc_info:
        clock.deadline(6.5).retrying(is_busy, 2.5)(call)
    assert exc_info.value.args == (len(attempt_times),)
    assert len(attempt_times) > 1


def test_deadline_retrying_permanent_error_raised_without_retry() -> None:
    clock = Clock()
    attempts = []

    def call() -> NoReturn:
        attempts.append(clock.now)
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        clock.deadline(6.5).retrying(is_busy, 2.5)(call)
    assert (len(attempts), clock.sleeps) == (1, [])


def test_deadline_retrying_permanent_error_ends_retries() -> None:
    clock = Clock()
    errors = [BusyError(), BusyError(), KeyError("gone")]
    call_errors = iter(errors)

    def call() -> NoReturn:
        raise next(call_errors)

    with pytest.raises(KeyError):
        clock.deadline(6.5).retrying(is_busy, 2.5)(call)
    assert len(clock.sleeps) == 2


def test_deadline_retrying_waits_double_to_maximum_with_jitter() -> None:
    waits_by_attempt: list[list[float]] = [[] for _ in range(8)]
    for _ in range(200):
        clock = Clock()
        clock.deadline(100).retrying(is_busy, 2.5)(failing_call(clock, times=8)[0])
        for waits, wait in zip(waits_by_attempt, clock.sleeps, strict=True):
            waits.append(wait)
    for waits, max_wait in zip(waits_by_attempt, [0.04, 0.08, 0.16, 0.32, 0.4, 0.4, 0.4, 0.4], strict=True):
        assert 0 <= min(waits) < max_wait / 2 < max(waits) <= max_wait


@given(st.floats(0, 10, allow_subnormal=False), st.floats(0.05, 4, allow_subnormal=False), st.floats(0, 1))
def test_deadline_retrying_every_retry_has_enough_time(seconds: float, max_attempt: float, fraction: float) -> None:
    clock = Clock()
    deadline = clock.deadline(seconds)
    call, attempt_times = failing_call(clock, times=10_000, seconds=max(max_attempt * fraction, 0.01))
    with pytest.raises(BusyError):
        deadline.retrying(is_busy, max_attempt)(call)
    # The tolerance is for floating-point rounding.
    assert all(deadline.ends_at - at >= max_attempt - 1e-6 for at in attempt_times[1:])


def test_deadline_run_returns_result() -> None:
    assert Deadline.after(60).run(lambda: "done") == "done"


def test_deadline_run_raises_error_of_function() -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Deadline.after(60).run(fail)


def test_deadline_run_hanging_function_times_out() -> None:
    # The clock does not advance, so the remaining seconds are the duration of the wait.
    released = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            Deadline(ends_at=0.01, clock=lambda: 0.0).run(released.wait)
    finally:
        released.set()


def test_deadline_run_after_deadline_starts_nothing() -> None:
    calls: list[bool] = []

    with pytest.raises(TimeoutError):
        Deadline(ends_at=0.0, clock=lambda: 0.0).run(lambda: calls.append(True))
    assert not calls
