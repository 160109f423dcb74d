"""The active policy: read from AppConfig, cached, and never replaced by an invalid document."""

import hashlib
from collections.abc import Callable

import pytest

from paynearme.errors import PolicyUnavailableError
from paynearme.platform.settings import Settings
from paynearme.policy import DEFAULT_TEXTS, Reason
from paynearme.policy.texts import MAX_TEXT
from paynearme.policy_provider import PolicyProvider
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_fixtures import SITE, SITE_OF_2_0, authorization, site_changes
from tests.support.fake_appconfig import ACCEPTING_POLICY, GET_CONFIGURATION, START_SESSION, FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, CapturedOutput, LambdaFunction, LedgerFixture, Response
from tests.support.policy_defects import INVALID_POLICIES, UNAVAILABLE_POLICIES, break_policy, for_each_defect

POLICY_CACHE_SECONDS = Settings(sites_secret="").policy_cache_seconds

type AdvanceClock = Callable[[float], None]


def reason_of(response: Response) -> str | None:
    """Return the reason of a decline, or ``None`` for an acceptance."""
    assert response.status == 200
    assert (response.fields["accept_payment"] == "no") is ("decline_reason" in response.fields)
    reason_by_text = {text.decline_reason: reason for reason, text in DEFAULT_TEXTS.items()}
    return reason_by_text[response.fields["decline_reason"]] if "decline_reason" in response.fields else None


def decision_reason(authorize: LambdaFunction, number: str, **changes: str | None) -> str | None:
    return reason_of(authorize(authorization(pnm_payment_identifier=number, **changes)))


class TestWithoutPolicy:
    @for_each_defect
    def test_authorize_without_policy_declines_stores_nothing(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        ledger_table: LedgerFixture,
        captured_output: CapturedOutput,
        defect: str,
    ) -> None:
        break_policy(deployed_policy, defect)

        response = authorize(authorization())

        assert reason_of(response) == Reason.CANNOT_DECIDE_NOW
        assert response.fields["pnm_order_identifier"] == "80080175585"
        assert response.fields["receipt"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
        assert ledger_table.all_items() == []
        assert captured_output.metric_total("PolicyUnavailable") == 1
        assert captured_output.metric_total("PolicyInvalid") == (defect in INVALID_POLICIES)
        [line] = captured_output.logs()
        assert (line["level"], line["error"]) == ("ERROR", "PolicyUnavailableError")
        assert ("policy_error_count" in line) is (defect in INVALID_POLICIES)
        assert MARKER not in response.body + captured_output.text()

    @for_each_defect
    def test_authorize_declines_until_policy_deployed(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig, ledger_table: LedgerFixture, defect: str
    ) -> None:
        break_policy(deployed_policy, defect)
        assert [decision_reason(authorize, number) for number in "121"] == [Reason.CANNOT_DECIDE_NOW] * 3
        deployed_policy.put_defaults(payment_types=["cash"])

        assert decision_reason(authorize, "1") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert decision_reason(authorize, "2", payment_type="cash") is None
        assert {item["decision"] for item in ledger_table.payments()} == {"accept", "decline"}

    def test_decline_without_policy_has_response_format_of_site(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig
    ) -> None:
        break_policy(deployed_policy, "nothing deployed")

        response = authorize(authorization(**site_changes(SITE_OF_2_0)))

        assert response.content_type.startswith("application/xml")
        assert reason_of(response) == Reason.CANNOT_DECIDE_NOW

    def test_authorize_invalid_without_policy_returns_400(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig
    ) -> None:
        break_policy(deployed_policy, "nothing deployed")

        assert authorize(authorization(pnm_order_identifier=None)).status == 400


class TestWithEarlierPolicy:
    @pytest.fixture(autouse=True)
    def earlier_policy(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig, advance_clock: AdvanceClock
    ) -> None:
        deployed_policy.put_defaults(payment_types=["credit"])
        assert decision_reason(authorize, "0") is None
        deployed_policy.calls.clear()

    @for_each_defect
    def test_policy_refresh_failed_cached_policy_stays_active(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        captured_output: CapturedOutput,
        advance_clock: AdvanceClock,
        defect: str,
    ) -> None:
        break_policy(deployed_policy, defect)
        for number in "123":
            advance_clock(POLICY_CACHE_SECONDS)
            assert decision_reason(authorize, number) is None
            assert decision_reason(authorize, number + "0", payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED

        # Each refresh counts once, and no refresh happens before the cache expires.
        metric_counts = {name: captured_output.metric_total(name) for name in ("PolicyInvalid", "PolicyRefreshFailed")}
        assert metric_counts == {
            "PolicyInvalid": 3 * (defect in INVALID_POLICIES),
            "PolicyRefreshFailed": 3 * (defect in UNAVAILABLE_POLICIES),
        }
        assert captured_output.metric_total("PolicyUnavailable") == 0
        assert {line["level"] for line in captured_output.logs()} == {"INFO"}
        assert MARKER not in captured_output.text()

    @for_each_defect
    def test_policy_valid_after_failed_refresh_active_when_due(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig, advance_clock: AdvanceClock, defect: str
    ) -> None:
        break_policy(deployed_policy, defect)
        advance_clock(POLICY_CACHE_SECONDS)
        assert decision_reason(authorize, "1") is None
        deployed_policy.put_defaults(payment_types=["cash"])
        advance_clock(POLICY_CACHE_SECONDS - 1)
        assert decision_reason(authorize, "2") is None

        advance_clock(1)
        assert decision_reason(authorize, "3") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert decision_reason(authorize, "4", payment_type="cash") is None

    @pytest.mark.parametrize("error", [client_error("BadRequestException"), client_error("Broken", 500), KeyError("x")])
    def test_policy_read_failed_retried_when_due_in_new_session(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        captured_output: CapturedOutput,
        advance_clock: AdvanceClock,
        error: Exception,
    ) -> None:
        deployed_policy.fail(GET_CONFIGURATION, error)
        advance_clock(POLICY_CACHE_SECONDS)
        for number in "123":
            assert decision_reason(authorize, number) is None
        assert deployed_policy.calls == [GET_CONFIGURATION]

        advance_clock(POLICY_CACHE_SECONDS)
        assert decision_reason(authorize, "4") is None
        # A session token is valid for one request, and the failed request may have used it.
        assert deployed_policy.calls == [GET_CONFIGURATION, START_SESSION, GET_CONFIGURATION]
        assert captured_output.metric_total("PolicyRefreshFailed") == 1

    def test_policy_unchanged_stays_active_in_same_session(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        captured_output: CapturedOutput,
        advance_clock: AdvanceClock,
    ) -> None:
        for number in "123":
            advance_clock(POLICY_CACHE_SECONDS)
            assert decision_reason(authorize, number, payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED

        assert deployed_policy.calls == [GET_CONFIGURATION] * 3
        assert captured_output.metric_total("PolicyInvalid") + captured_output.metric_total("PolicyRefreshFailed") == 0

    def test_policy_changed_active_only_after_cache_expires(
        self, authorize: LambdaFunction, deployed_policy: FakeAppConfig, advance_clock: AdvanceClock
    ) -> None:
        deployed_policy.put_defaults(payment_types=["cash"])
        advance_clock(POLICY_CACHE_SECONDS - 1)
        assert decision_reason(authorize, "1") is None
        assert deployed_policy.calls == []

        advance_clock(1)
        assert decision_reason(authorize, "2") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert decision_reason(authorize, "3", payment_type="cash") is None
        assert deployed_policy.calls == [GET_CONFIGURATION]


def test_policy_cache_seconds_from_setting(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: FakeAppConfig,
    monkeypatch: pytest.MonkeyPatch,
    advance_clock: AdvanceClock,
) -> None:
    monkeypatch.setenv("POLICY_CACHE_SECONDS", "5")
    authorize = cold_start("authorize")
    for seconds in (0, 4, 1, 4, 1):
        advance_clock(seconds)
        authorize(authorization())

    assert deployed_policy.calls == [START_SESSION, GET_CONFIGURATION, GET_CONFIGURATION, GET_CONFIGURATION]


def test_policy_version_logged_and_stored_with_payment(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
) -> None:
    authorize(authorization())

    version = hashlib.sha256(deployed_policy.content).hexdigest()[:12]
    [line] = captured_output.logs()
    assert line["policy_version"] == ledger_table.payment()["policy_version"] == version


def test_policy_of_site_or_defaults_is_applied(authorize: LambdaFunction, deployed_policy: FakeAppConfig) -> None:
    deployed_policy.put({**ACCEPTING_POLICY, "sites": {SITE: {"unknown_order": "decline"}}})

    assert reason_of(authorize(authorization())) == Reason.ORDER_UNKNOWN
    assert reason_of(authorize(authorization(**site_changes(SITE_OF_2_0)))) is None
    assert deployed_policy.calls == [START_SESSION, GET_CONFIGURATION]


@for_each_defect
def test_policy_unavailable_get_if_available_returns_none(
    deployed_policy: FakeAppConfig, clock: Clock, defect: str
) -> None:
    break_policy(deployed_policy, defect)
    policies = PolicyProvider(Settings.from_environment())

    with pytest.raises(PolicyUnavailableError):
        policies.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    assert policies.get_if_available(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS)) is None
    assert clock.sleeps == []


class TestFailureDeclineText:
    def declined_response(self, authorize: LambdaFunction, **changes: str) -> Response:
        response = authorize(authorization(**changes))
        assert (response.status, response.fields["accept_payment"]) == (200, "no")
        return response

    @pytest.mark.parametrize("defect", [None, *UNAVAILABLE_POLICIES, *INVALID_POLICIES])
    def test_failure_decline_text_from_cached_policy_of_site(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        ledger_table: LedgerFixture,
        advance_clock: AdvanceClock,
        defect: str | None,
    ) -> None:
        defaults = {**ACCEPTING_POLICY["defaults"], "texts": {"cannot_decide_now": {"decline_reason": "Later"}}}
        site_defaults = {"texts": {"cannot_decide_now": {"receipt": "Try again"}}}
        deployed_policy.put({"defaults": defaults, "sites": {SITE: site_defaults}})
        authorize(authorization())
        ledger_table.client.delete_table(TableName=ledger_table.table_name)
        if defect:
            break_policy(deployed_policy, defect)
            advance_clock(POLICY_CACHE_SECONDS)

        site_texts = self.declined_response(authorize).fields
        default_texts = self.declined_response(authorize, **site_changes(SITE_OF_2_0)).fields

        default_receipt = DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
        assert (site_texts["decline_reason"], site_texts["receipt"]) == ("Later", "Try again")
        assert (default_texts["decline_reason"], default_texts["receipt"]) == ("Later", default_receipt)

    @pytest.mark.parametrize(
        ("text", "rendered"),
        [
            ("{{closed}} <pnm_payment />", "{closed} <pnm_payment />"),
            ("x" * MAX_TEXT, "x" * MAX_TEXT),
            ("{{" * MAX_TEXT, "{" * MAX_TEXT),
        ],
        ids=["braces", "maximum length", "maximum length of braces"],
    )
    def test_failure_decline_text_rendered_with_escaped_braces(
        self,
        authorize: LambdaFunction,
        deployed_policy: FakeAppConfig,
        ledger_table: LedgerFixture,
        text: str,
        rendered: str,
    ) -> None:
        texts = {"cannot_decide_now": {"decline_reason": text, "receipt": text}}
        deployed_policy.put_defaults(texts=texts)
        authorize(authorization())
        ledger_table.client.delete_table(TableName=ledger_table.table_name)

        fields = self.declined_response(authorize).fields
        assert (fields["decline_reason"], fields["receipt"]) == (rendered, rendered)
