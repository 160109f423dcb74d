"""Timeouts of AppConfig, and confirmations without a policy."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from paynearme.errors import PolicyUnavailableError
from paynearme.platform.aws_clients import CLIENT_CONFIG
from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.policy_provider import REFRESH_SECONDS, PolicyProvider
from tests.support.aws_errors import client_error
from tests.support.cached_clients import CachedClients
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation
from tests.support.fake_appconfig import GET_CONFIGURATION, START_SESSION, FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import (
    RESPONSE_TIMEOUT_SECONDS,
    AwsCallRecorder,
    CapturedOutput,
    LambdaFunction,
    LedgerFixture,
)
from tests.support.policy_defects import break_policy, for_each_defect

URL = "https://appconfigdata.us-east-1.amazonaws.com"
POLICY_CACHE_SECONDS = Settings(sites_secret="").policy_cache_seconds
SPENT_AMOUNTS = {Decimal("354.99")}

type AdvanceClock = Callable[[float], None]


class HangingCallError(Exception):
    """A call that does not return before the deadline."""


@dataclass(frozen=True)
class BlockingDeadline(Deadline):
    """Advance the clock by the duration of each failed call."""

    def run[T](self, function: Callable[[], T]) -> T:
        clock = cast(Clock, self.clock)
        config: Any = CLIENT_CONFIG
        durations: dict[type[Exception], float] = {
            ConnectTimeoutError: config.connect_timeout,
            ReadTimeoutError: config.read_timeout,
        }
        try:
            return function()
        except (HangingCallError, ConnectTimeoutError, ReadTimeoutError) as error:
            clock.advance(min(self.remaining, durations.get(type(error), self.remaining)))
            if self.remaining <= 0:
                raise TimeoutError from None
            raise


@pytest.fixture
def blocking_deadlines(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(Deadline, "after", lambda seconds: BlockingDeadline(clock.now + seconds, clock, clock.sleep))


for_each_hanging_call = pytest.mark.parametrize(
    "error",
    [HangingCallError(), ReadTimeoutError(endpoint_url=URL), ConnectTimeoutError(endpoint_url=URL)],
    ids=["slow response", "read timeout", "connect timeout"],
)


@pytest.mark.usefixtures("blocking_deadlines")
class TestHangingCall:
    @for_each_hanging_call
    @pytest.mark.parametrize("operation", [START_SESSION, GET_CONFIGURATION])
    def test_authorize_cold_start_declines_within_deadline(
        self,
        authorize: LambdaFunction,
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

    @for_each_hanging_call
    def test_authorize_uses_cached_policy_within_deadline(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        captured_output: CapturedOutput,
        clock: Clock,
        advance_clock: AdvanceClock,
        error: Exception,
    ) -> None:
        authorize(authorization())
        deployed_policy.calls.clear()
        deployed_policy.errors = {GET_CONFIGURATION: [error] * 1000, START_SESSION: [error] * 1000}

        for number in "12":
            advance_clock(POLICY_CACHE_SECONDS)
            started = clock.now
            response = authorize(authorization(pnm_payment_identifier=number))
            assert response.fields["accept_payment"] == "yes"
            assert clock.now <= started + REFRESH_SECONDS

        assert deployed_policy.calls == [GET_CONFIGURATION, START_SESSION]
        assert captured_output.metric_total("PolicyRefreshFailed") == 2

    @for_each_hanging_call
    @pytest.mark.parametrize("operation", [START_SESSION, GET_CONFIGURATION])
    def test_confirm_posts_within_refresh_deadline(
        self,
        confirm: LambdaFunction,
        deployed_policy: FakeAppConfig,
        ledger_table: LedgerFixture,
        clock: Clock,
        error: Exception,
        operation: str,
    ) -> None:
        started = clock.now
        deployed_policy.fail(operation, *[error] * 1000)

        assert confirm(confirmation()).status == 200
        assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
        assert clock.now <= started + REFRESH_SECONDS

    @pytest.mark.parametrize(
        "error", [ReadTimeoutError(endpoint_url=URL), client_error("ThrottlingException"), client_error("Broken", 500)]
    )
    def test_policy_read_retryable_error_retried_in_new_session(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig, error: Exception
    ) -> None:
        deployed_policy.errors = {START_SESSION: [error], GET_CONFIGURATION: [error]}

        assert authorize(authorization()).fields["accept_payment"] == "yes"
        assert deployed_policy.calls == [
            START_SESSION,
            START_SESSION,
            GET_CONFIGURATION,
            START_SESSION,
            GET_CONFIGURATION,
        ]


class TestTimedOutCall:
    # The clock does not advance, so the remaining seconds are the duration of the wait.
    SHORT_DEADLINE = Deadline(ends_at=0.01, clock=lambda: 0.0)
    LONG_DEADLINE = Deadline(ends_at=60.0, clock=lambda: 0.0)

    @pytest.fixture
    def resume_call(
        self, limited_attempts: None, monkeypatch: pytest.MonkeyPatch, cached_clients: CachedClients
    ) -> Iterator[Callable[[], None]]:
        """Block the calls that read the policy. Calling the fixture resumes them, and waits for their end."""
        threads, call_blocked = ThreadPoolExecutor(), threading.Event()
        monkeypatch.setattr("paynearme.platform.deadline._executor", threads)

        def block(**_: Any) -> None:
            call_blocked.wait(60)

        def resume() -> None:
            call_blocked.set()
            threads.shutdown()
            monkeypatch.setattr("paynearme.platform.deadline._executor", ThreadPoolExecutor())

        with cached_clients.with_hook(f"before-call.appconfigdata.{GET_CONFIGURATION}", block):
            yield resume
        call_blocked.set()

    def test_policy_read_timed_out_unavailable_until_next_read(
        self, resume_call: Callable[[], None], deployed_policy: FakeAppConfig
    ) -> None:
        policies = PolicyProvider(Settings.from_environment())

        with pytest.raises(PolicyUnavailableError):
            policies.get(SITE, self.SHORT_DEADLINE)
        assert policies.get_if_available(SITE, self.SHORT_DEADLINE) is None
        # A session token is valid for one request, and the timed-out request may have used it.
        assert deployed_policy.calls == [START_SESSION, START_SESSION]

        resume_call()
        deployed_policy.put_defaults(unknown_order="decline")
        assert policies.get(SITE, self.LONG_DEADLINE).unknown_order == "decline"


@for_each_defect
def test_confirm_without_policy_posts_and_flags_uncounted(
    confirm: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    defect: str,
) -> None:
    break_policy(deployed_policy, defect)

    assert {confirm(confirmation()).status for _ in range(2)} == {200}

    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert ledger_table.anomalies() == {"spending_not_counted"}
    assert ledger_table.spent_amounts() == set()
    assert captured_output.metric_total("AnomalySpendingNotCounted") == 1
    assert captured_output.metric_total("ConfirmationWithoutPolicy") == 2
    assert {line["level"] for line in captured_output.logs()} == {"INFO"}


@for_each_defect
def test_confirm_authorized_without_policy_in_one_transaction(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    defect: str,
) -> None:
    authorize(authorization())
    break_policy(deployed_policy, defect)

    assert aws_calls.calls_during(lambda: confirm(confirmation())) == ["TransactWriteItems"]
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert (ledger_table.anomalies(), ledger_table.spent_amounts()) == (set(), SPENT_AMOUNTS)


# By scenario: the authorization, the confirmation without a policy, the anomalies, and the amounts in the windows.
SCENARIOS: dict[str, tuple[dict[str, Any] | None, dict[str, Any], set[str], set[Decimal]]] = {
    "failed, authorized": ({}, {"status": "decline"}, set(), {Decimal(0)}),
    "failed, not authorized": (None, {"status": "decline"}, set(), set()),
    "test": (None, {"test": "true"}, set(), set()),
    "test with another amount": (
        {"test": "true", "payment_amount": "1.00"},
        {"test": "true"},
        {"amount_differs"},
        set(),
    ),
    "no customer": (None, {"site_customer_identifier": None}, {"customer_missing"}, set()),
    "other amount": ({"payment_amount": "1.00"}, {}, {"amount_differs"}, SPENT_AMOUNTS),
    "paid after decline": (
        {"payment_amount": "0.00"},
        {},
        {"paid_after_decline", "amount_differs", "spending_not_counted"},
        set(),
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_confirm_without_policy_flags_only_uncounted_spending(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    scenario: str,
) -> None:
    authorized_changes, confirmed_changes, anomalies, spent_amounts = SCENARIOS[scenario]
    if authorized_changes is not None:
        authorize(authorization(**authorized_changes))
    break_policy(deployed_policy, "nothing deployed")

    assert confirm(confirmation(**confirmed_changes)).status == 200
    assert (ledger_table.anomalies(), ledger_table.spent_amounts()) == (anomalies, spent_amounts)


@for_each_defect
def test_confirm_without_authorization_counts_by_cached_policy(
    confirm: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    advance_clock: AdvanceClock,
    defect: str,
) -> None:
    confirm(confirmation(pnm_payment_identifier="0", payment_amount="0.00", net_payment_amount="0.00"))
    break_policy(deployed_policy, defect)
    advance_clock(POLICY_CACHE_SECONDS)

    assert confirm(confirmation()).status == 200
    assert ledger_table.spent_amounts() == SPENT_AMOUNTS
    assert "anomalies" not in ledger_table.payments()[1]
