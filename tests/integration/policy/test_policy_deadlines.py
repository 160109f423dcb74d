"""Timeouts of AppConfig."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.errors import PolicyUnavailableError
from paynearme.platform.aws_clients import client_config
from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.policy_provider import REFRESH_SECONDS, PolicyProvider
from tests.support.cached_clients import CachedClients
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation
from tests.support.fake_appconfig import GET_CONFIGURATION, START_SESSION, FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, CapturedOutput, LambdaFunction, LedgerFixture

READ_TIMEOUT = ReadTimeoutError(endpoint_url="https://appconfigdata.us-east-1.amazonaws.com")


class HangingCallError(Exception):
    """A call that does not return before the deadline."""


@dataclass(frozen=True)
class BlockingDeadline(Deadline):
    """Advance the clock by the duration of each failed call."""

    def run[T](self, function: Callable[[], T]) -> T:
        clock, config = cast(Clock, self.clock), cast(Any, client_config())
        try:
            return function()
        except (HangingCallError, ReadTimeoutError) as error:
            is_hanging = isinstance(error, HangingCallError)
            clock.advance(self.remaining if is_hanging else min(self.remaining, config.read_timeout))
            if self.remaining <= 0:
                raise TimeoutError from None
            raise


@pytest.fixture
def blocking_deadlines(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(Deadline, "after", lambda seconds: BlockingDeadline(clock.now + seconds, clock, clock.sleep))


for_each_hanging_call = pytest.mark.parametrize(
    "error", [HangingCallError(), READ_TIMEOUT], ids=["slow response", "read timeout"]
)


@for_each_hanging_call
@pytest.mark.parametrize("operation", [START_SESSION, GET_CONFIGURATION])
@pytest.mark.usefixtures("blocking_deadlines")
def test_policy_hanging_cold_start_ends_within_deadline(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    clock: Clock,
    error: Exception,
    operation: str,
) -> None:
    started = clock.now
    deployed_policy.fail(operation, *[error] * 1000)

    response = authorize(authorization())
    assert (response.status, response.fields["accept_payment"]) == (200, "no")
    assert ledger_table.all_items() == []
    assert started + REFRESH_SECONDS < clock.now <= started + RESPONSE_TIMEOUT_SECONDS

    started = clock.now
    assert confirm(confirmation()).status == 200
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert clock.now <= started + REFRESH_SECONDS


@for_each_hanging_call
@pytest.mark.usefixtures("blocking_deadlines")
def test_policy_hanging_refresh_uses_cached_within_deadline(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    captured_output: CapturedOutput,
    clock: Clock,
    advance_clock: Callable[[float], None],
    error: Exception,
) -> None:
    authorize(authorization())
    deployed_policy.calls.clear()
    deployed_policy.errors = {GET_CONFIGURATION: [error] * 1000, START_SESSION: [error] * 1000}

    for number in "12":
        advance_clock(Settings(sites_secret="").policy_cache_seconds)
        started = clock.now
        response = authorize(authorization(pnm_payment_identifier=number))
        assert response.fields["accept_payment"] == "yes"
        assert clock.now <= started + REFRESH_SECONDS

    assert deployed_policy.calls == [GET_CONFIGURATION, START_SESSION]
    assert captured_output.metric_total("PolicyRefreshFailed") == 2


@pytest.mark.usefixtures("blocking_deadlines")
def test_policy_read_retryable_error_retried_in_new_session(
    authorize: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.errors = {START_SESSION: [READ_TIMEOUT], GET_CONFIGURATION: [READ_TIMEOUT]}

    assert authorize(authorization()).fields["accept_payment"] == "yes"
    first_session, second_session = (
        [START_SESSION, START_SESSION, GET_CONFIGURATION],
        [START_SESSION, GET_CONFIGURATION],
    )
    assert deployed_policy.calls == first_session + second_session


@pytest.mark.usefixtures("limited_attempts")
def test_policy_read_timed_out_unavailable_until_next_read(
    deployed_policy: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, cached_clients: CachedClients
) -> None:
    # The clock does not advance, so the remaining seconds are the duration of the wait.
    short, long = (Deadline(ends_at=seconds, clock=lambda: 0.0) for seconds in (0.01, 60.0))
    policies, call_resumed = PolicyProvider(Settings.from_environment()), threading.Event()

    def block(**_: Any) -> None:
        call_resumed.wait(60)

    # Leaving the executor waits for the end of the discarded calls.
    with (
        cached_clients.with_hook(f"before-call.appconfigdata.{GET_CONFIGURATION}", block),
        ThreadPoolExecutor() as threads,
    ):
        monkeypatch.setattr("paynearme.platform.deadline._executor", threads)
        with pytest.raises(PolicyUnavailableError):
            policies.get(SITE, short)
        assert policies.get_if_available(SITE, short) is None
        # A session token is valid for one request, and the timed-out request may have used it.
        assert deployed_policy.calls == [START_SESSION, START_SESSION]
        call_resumed.set()

    with ThreadPoolExecutor() as threads:
        monkeypatch.setattr("paynearme.platform.deadline._executor", threads)
        deployed_policy.put_defaults(unknown_order="decline")
        assert policies.get(SITE, long).unknown_order == "decline"
