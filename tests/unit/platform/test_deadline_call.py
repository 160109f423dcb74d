"""``Deadline.call``: retries with a limited duration of each attempt."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from tests.support.fake_clock import Clock


def is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError)


@dataclass
class AttemptRecorder:
    """Record the remaining seconds of each attempt, which takes ``seconds`` of ``clock``."""

    clock: Clock
    seconds: float = 0
    attempt_seconds: list[float] = field(default_factory=list)

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


def test_deadline_call_success_one_attempt(clock: Clock, attempts: AttemptRecorder) -> None:
    assert clock.deadline(6.5).call(lambda: "done", is_timeout) == "done"
    assert attempts.attempt_seconds == [MAX_ATTEMPT_SECONDS]


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 2.49])
def test_deadline_call_without_enough_time_no_attempt(clock: Clock, attempts: AttemptRecorder, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        clock.deadline(seconds).call(lambda: "done", is_timeout, 2.5)
    assert attempts.attempt_seconds == []


def test_deadline_call_exact_time_one_attempt(clock: Clock, attempts: AttemptRecorder) -> None:
    assert clock.deadline(2.5).call(lambda: "done", is_timeout, 2.5) == "done"


def test_deadline_call_timeout_retried_while_attempt_fits(clock: Clock, attempts: AttemptRecorder) -> None:
    attempts.seconds = 10
    started = clock.now
    with pytest.raises(TimeoutError):
        clock.deadline(6.5).call(lambda: "done", is_timeout, 2.5)
    assert attempts.attempt_seconds == [2.5, pytest.approx(2.5)]
    assert clock.now <= started + 6.5


def test_deadline_call_other_error_raised_unchanged(clock: Clock, attempts: AttemptRecorder) -> None:
    error = KeyError("x")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        clock.deadline(6.5).call(fail, is_timeout)
    assert raised.value is error
    assert len(attempts.attempt_seconds) == 1


def test_deadline_call_short_attempt_allowed(clock: Clock, attempts: AttemptRecorder) -> None:
    assert clock.deadline(0.1).call(lambda: "done", is_timeout, allow_short_attempt=True) == "done"
    assert attempts.attempt_seconds == [pytest.approx(0.1)]


def test_deadline_call_short_attempt_not_retried(clock: Clock, attempts: AttemptRecorder) -> None:
    attempts.seconds = 10
    with pytest.raises(TimeoutError):
        clock.deadline(2.4).call(lambda: "done", is_timeout, allow_short_attempt=True)
    assert len(attempts.attempt_seconds) == 1


def test_deadline_call_short_attempt_with_advancing_clock() -> None:
    assert Deadline.after(1.5, time.monotonic).call(lambda: "done", is_timeout, allow_short_attempt=True) == "done"


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_deadline_call_short_attempt_not_after_deadline(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    # An attempt would raise AttributeError.
    monkeypatch.setattr("paynearme.platform.deadline._executor", None)
    with pytest.raises(TimeoutError):
        clock.deadline(seconds).call(lambda: "done", is_timeout, allow_short_attempt=True)
