"""An AppConfig that hangs, and confirmations, which do without a policy."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from paynearme.aws import CLIENT_CONFIG
from paynearme.deadline import Deadline
from paynearme.errors import PolicyUnavailableError
from paynearme.policies import REFRESH_SECONDS, Policies
from paynearme.settings import Settings
from tests.clock import Clock
from tests.integration.deployed_policy import (
    BROKEN,
    GET,
    MISSING,
    START,
    DeployedPolicy,
    failed,
)
from tests.integration.kept_clients import KeptClients
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Function, Stored, Traffic, Written
from tests.integration.signed_callbacks import (
    CUSTOMER,
    SITE,
    authorization,
    confirmation,
)

URL = "https://appconfigdata.us-east-1.amazonaws.com"
KEPT_SECONDS = Settings(sites_secret="").policy_max_age_seconds
SPENT = {Decimal("354.99")}

type PassSeconds = Callable[[float], None]


class CallNotResumedError(Exception):
    """A call that does not return."""


@dataclass(frozen=True)
class PatientDeadline(Deadline):
    """Waits for calls in a clock's time: as long as their errors say."""

    def bound[T](self, call: Callable[[], T]) -> T:
        clock = cast(Clock, self.clock)
        config: Any = CLIENT_CONFIG
        took: dict[type[Exception], float] = {
            ConnectTimeoutError: config.connect_timeout,
            ReadTimeoutError: config.read_timeout,
        }
        try:
            return call()
        except (CallNotResumedError, ConnectTimeoutError, ReadTimeoutError) as error:
            clock.work(min(self.remaining, took.get(type(error), self.remaining)))
            if self.remaining <= 0:
                raise TimeoutError from None
            raise


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(
        Deadline, "after", lambda seconds: PatientDeadline(clock.now + seconds, clock, clock.sleep)
    )


HANGING = pytest.mark.parametrize(
    "error",
    [CallNotResumedError(), ReadTimeoutError(endpoint_url=URL), ConnectTimeoutError(endpoint_url=URL)],
    ids=["byte by byte", "no answer", "no connection"],
)
SPOILT = pytest.mark.parametrize("how", [*MISSING, *BROKEN])


@pytest.mark.usefixtures("patient")
class TestHanging:
    @HANGING
    @pytest.mark.parametrize("operation", [START, GET])
    def test_a_cold_function_declines_in_time(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        stored: Stored,
        clock: Clock,
        error: Exception,
        operation: str,
    ) -> None:
        started = clock.now
        deployed_policy.fail(operation, *[error] * 1000)

        answer = authorize(authorization())

        assert (answer.status, answer.fields["accept_payment"]) == (200, "no")
        assert stored.everything() == []
        assert started + REFRESH_SECONDS < clock.now <= started + ANSWER_WITHIN_SECONDS

    @HANGING
    def test_a_warm_function_decides_by_the_last_known_policy_in_time(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        written: Written,
        clock: Clock,
        pass_seconds: PassSeconds,
        error: Exception,
    ) -> None:
        authorize(authorization())
        deployed_policy.calls.clear()
        deployed_policy.errors = {GET: [error] * 1000, START: [error] * 1000}

        for number in "12":
            pass_seconds(KEPT_SECONDS + 1)
            started = clock.now
            answer = authorize(authorization(pnm_payment_identifier=number))
            assert answer.fields["accept_payment"] == "yes"
            assert clock.now <= started + REFRESH_SECONDS

        assert deployed_policy.calls == [GET, START]
        assert written.counted("PolicyRefreshFailed") == 2

    @HANGING
    @pytest.mark.parametrize("operation", [START, GET])
    def test_a_confirmation_hardly_waits(
        self,
        confirm: Function,
        deployed_policy: DeployedPolicy,
        stored: Stored,
        clock: Clock,
        error: Exception,
        operation: str,
    ) -> None:
        started = clock.now
        deployed_policy.fail(operation, *[error] * 1000)

        assert confirm(confirmation()).status == 200
        assert stored.balances() == {CUSTOMER: Decimal("350.00")}
        assert clock.now <= started + REFRESH_SECONDS

    @pytest.mark.parametrize(
        "error", [ReadTimeoutError(endpoint_url=URL), failed("ThrottlingException"), failed("Broken", 500)]
    )
    def test_what_fails_in_passing_is_tried_again_with_another_session(
        self, authorize: Function, deployed_policy: DeployedPolicy, error: Exception
    ) -> None:
        deployed_policy.errors = {START: [error], GET: [error]}

        assert authorize(authorization()).fields["accept_payment"] == "yes"
        assert deployed_policy.calls == [START, START, GET, START, GET]


class TestACallThatIsGivenUp:
    # The clock stands still, so what is left is all that this waits.
    SOON = Deadline(ends_at=0.01, clock=lambda: 0.0)
    LATER = Deadline(ends_at=60.0, clock=lambda: 0.0)

    @pytest.fixture
    def come_back(
        self, monkeypatch: pytest.MonkeyPatch, kept_clients: KeptClients
    ) -> Iterator[Callable[[], None]]:
        """Lets calls for the policy hang until this is called, and returns when they have come back."""
        threads, held = ThreadPoolExecutor(), threading.Event()
        monkeypatch.setattr("paynearme.deadline._threads", threads)

        def wait(**_: Any) -> None:
            held.wait(60)

        def release() -> None:
            held.set()
            threads.shutdown()
            monkeypatch.setattr("paynearme.deadline._threads", ThreadPoolExecutor())

        with kept_clients.hooked(f"before-call.appconfigdata.{GET}", wait):
            yield release
        held.set()

    def test_it_leaves_no_policy_and_the_next_look_finds_one(
        self, come_back: Callable[[], None], deployed_policy: DeployedPolicy
    ) -> None:
        policies = Policies(Settings.from_environment())

        with pytest.raises(PolicyUnavailableError):
            policies.find(SITE, self.SOON)
        assert policies.find_quickly(SITE, self.SOON) is None
        # A token is good for one call, and nobody knows what became of the first.
        assert deployed_policy.calls == [START, START]

        come_back()
        deployed_policy.put_defaults(unknown_order="decline")
        assert policies.find(SITE, self.LATER).unknown_order == "decline"


@SPOILT
def test_a_payment_is_posted_and_marked_if_nobody_asked_and_no_policy_says_on_which_day_it_counts(
    confirm: Function, deployed_policy: DeployedPolicy, stored: Stored, written: Written, how: str
) -> None:
    deployed_policy.spoil(how)

    assert {confirm(confirmation()).status for _ in range(2)} == {200}

    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    assert stored.anomalies() == {"spending_not_counted"}
    assert stored.spent() == set()
    assert written.counted("AnomalySpendingNotCounted") == 1
    assert written.counted("PolicyUnavailable") == 2
    assert {line["level"] for line in written.logs()} == {"INFO"}


@SPOILT
def test_a_payment_that_was_asked_about_is_posted_in_one_transaction_without_a_policy(
    authorize: Function,
    confirm: Function,
    deployed_policy: DeployedPolicy,
    stored: Stored,
    traffic: Traffic,
    how: str,
) -> None:
    authorize(authorization())
    deployed_policy.spoil(how)

    assert traffic.made_by(lambda: confirm(confirmation())) == ["TransactWriteItems"]
    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    assert (stored.anomalies(), stored.spent()) == (set(), SPENT)


# Each: what was asked before, what is told without a policy, the marks, and what the windows hold then.
STORIES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], set[str], set[Decimal]]] = {
    "failed": ({}, {"status": "decline"}, set(), {Decimal(0)}),
    "failed, not asked about": (None, {"status": "decline"}, set(), set()),
    "a test": (None, {"test": "true"}, set(), set()),
    "a test of another amount": (
        {"test": "true", "payment_amount": "1.00"},
        {"test": "true"},
        {"amount_differs"},
        set(),
    ),
    "no customer": (None, {"site_customer_identifier": None}, {"customer_missing"}, set()),
    "another amount": ({"payment_amount": "1.00"}, {}, {"amount_differs"}, SPENT),
    "declined by us": (
        {"payment_amount": "0.00"},
        {},
        {"paid_after_decline", "amount_differs", "spending_not_counted"},
        set(),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_only_what_counts_and_cannot_be_counted_is_marked(
    authorize: Function, confirm: Function, deployed_policy: DeployedPolicy, stored: Stored, story: str
) -> None:
    asked, told, anomalies, held = STORIES[story]
    if asked is not None:
        authorize(authorization(**asked))
    deployed_policy.spoil("nothing deployed")

    assert confirm(confirmation(**told)).status == 200
    assert (stored.anomalies(), stored.spent()) == (anomalies, held)


@SPOILT
def test_a_payment_counts_by_the_last_known_policy_though_nobody_asked(
    confirm: Function, deployed_policy: DeployedPolicy, stored: Stored, pass_seconds: PassSeconds, how: str
) -> None:
    confirm(confirmation(pnm_payment_identifier="0", payment_amount="0.00", net_payment_amount="0.00"))
    deployed_policy.spoil(how)
    pass_seconds(KEPT_SECONDS + 1)

    assert confirm(confirmation()).status == 200
    assert stored.spent() == SPENT
    assert "anomalies" not in stored.payments()[1]
