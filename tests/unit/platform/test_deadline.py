import threading
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from tests.support.fake_clock import Clock


class BusyError(Exception):
    pass


def is_busy(error: BaseException) -> bool:
    return isinstance(error, BusyError | TimeoutError)


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


def test_deadline_minus_and_within_never_end_later(clock: Clock) -> None:
    deadline = clock.deadline(6.5)
    assert (deadline.minus(1.5).remaining, deadline.remaining) == (5.0, 6.5)
    assert (deadline.within(100).remaining, deadline.within(1.0).remaining) == (6.5, 1.0)
    clock.advance(7.5)
    assert deadline.remaining == -1.0


def test_deadline_retry_attempts_until_success(clock: Clock) -> None:
    call, attempt_times = failing_call(clock, times=3)
    assert clock.deadline(6.5).minus(1.0).retry(call, is_busy, 2.5) == "done"
    assert (len(attempt_times), len(clock.sleeps)) == (4, 3)


# Within 6.5 seconds, no third attempt fits. Within 5 seconds, a second attempt fits only without a wait.
@pytest.mark.parametrize(("seconds", "attempts"), [(6.5, 2), (5.0, 1)])
def test_deadline_retry_attempt_beyond_deadline_not_started(clock: Clock, seconds: float, attempts: int) -> None:
    call, attempt_times = failing_call(clock, times=100, seconds=2.5)
    with pytest.raises(BusyError) as raised:
        clock.deadline(seconds).retry(call, is_busy, 2.5)
    # The last error is raised unchanged.
    assert raised.value.args == (attempts,)
    assert (len(attempt_times), len(clock.sleeps)) == (attempts, attempts - 1)


def test_deadline_retry_permanent_error_ends_retries(clock: Clock) -> None:
    errors = iter([BusyError(), BusyError(), KeyError("gone")])

    def call() -> NoReturn:
        raise next(errors)

    with pytest.raises(KeyError, match="gone"):
        clock.deadline(6.5).retry(call, is_busy, 2.5)
    assert len(clock.sleeps) == 2


def test_deadline_retry_waits_double_to_maximum_with_jitter(clock: Clock) -> None:
    ranges: list[tuple[float, float]] = []

    class MaximumJitter(Random):
        def uniform(self, a: float, b: float) -> float:
            ranges.append((a, b))
            return b

    deadline = replace(clock.deadline(100), random=MaximumJitter())
    deadline.retry(failing_call(clock, times=6)[0], is_busy, 2.5, min_wait=1.0)
    assert ranges == [(0, 0.04), (0, 0.08), (0, 0.16), (0, 0.32), (0, 0.4), (0, 0.4)]
    assert clock.sleeps == [1.0 + high for _, high in ranges]


@given(st.floats(0, 10, allow_subnormal=False), st.floats(0.05, 4, allow_subnormal=False), st.floats(0, 1))
def test_deadline_retry_every_retry_has_enough_time(seconds: float, max_attempt: float, fraction: float) -> None:
    clock = Clock()
    deadline = clock.deadline(seconds)
    call, attempt_times = failing_call(clock, times=10_000, seconds=max(max_attempt * fraction, 0.01))
    with pytest.raises(BusyError):
        deadline.retry(call, is_busy, max_attempt)
    # The tolerance is for floating-point rounding.
    assert all(deadline.ends_at - at >= max_attempt - 1e-6 for at in attempt_times[1:])


def test_deadline_run_hanging_function_times_out() -> None:
    # The clock does not advance, so the remaining seconds are the duration of the wait.
    released = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            Deadline(ends_at=0.01, clock=lambda: 0.0).run(released.wait)
    finally:
        released.set()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_deadline_run_after_deadline_starts_nothing(clock: Clock, seconds: float) -> None:
    calls: list[bool] = []
    with pytest.raises(TimeoutError):
        clock.deadline(seconds).run(lambda: calls.append(True))
    with pytest.raises(TimeoutError):
        clock.deadline(seconds).call(lambda: calls.append(True), is_busy, allow_short_attempt=True)
    assert not calls


class AttemptRecorder:
    """Record the remaining seconds of each attempt, which takes ``seconds`` of the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.attempt_seconds: list[float] = []

    def run(self, deadline: Deadline, function: Callable[[], Any]) -> Any:
        self.attempt_seconds.append(deadline.remaining)
        self.clock.advance(min(self.seconds, deadline.remaining))
        if deadline.remaining <= 0:
            raise TimeoutError
        return function()


@pytest.fixture
def attempts(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AttemptRecorder:
    recorder = AttemptRecorder(clock)
    monkeypatch.setattr(Deadline, "run", lambda deadline, function: recorder.run(deadline, function))
    return recorder


def test_deadline_call_attempt_has_maximum_duration(clock: Clock, attempts: AttemptRecorder) -> None:
    assert clock.deadline(6.5).call(lambda: "done", is_busy) == "done"
    assert clock.deadline(2.5).call(lambda: "done", is_busy, 2.5) == "done"
    assert attempts.attempt_seconds == [MAX_ATTEMPT_SECONDS, 2.5]


def test_deadline_call_without_enough_time_no_attempt(clock: Clock, attempts: AttemptRecorder) -> None:
    with pytest.raises(TimeoutError):
        clock.deadline(2.49).call(lambda: "done", is_busy, 2.5)
    assert attempts.attempt_seconds == []


def test_deadline_call_timeout_retried_while_attempt_fits(clock: Clock, attempts: AttemptRecorder) -> None:
    attempts.seconds = 10
    started = clock.now
    with pytest.raises(TimeoutError):
        clock.deadline(6.5).call(lambda: "done", is_busy, 2.5)
    assert attempts.attempt_seconds == [2.5, pytest.approx(2.5)]
    assert clock.now <= started + 6.5


def test_deadline_call_short_attempt_once_if_allowed(clock: Clock, attempts: AttemptRecorder) -> None:
    assert clock.deadline(0.1).call(lambda: "done", is_busy, allow_short_attempt=True) == "done"
    attempts.seconds = 10
    with pytest.raises(TimeoutError):
        clock.deadline(2.4).call(lambda: "done", is_busy, allow_short_attempt=True)
    assert attempts.attempt_seconds == [pytest.approx(0.1), pytest.approx(2.4)]
