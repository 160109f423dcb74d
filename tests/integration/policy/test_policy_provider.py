"""The active policy: read from AppConfig, cached, and never replaced by an invalid document."""

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any
from unittest.mock import MagicMock

import pytest

from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.policy import DEFAULT_TEXTS, Reason
from paynearme.policy_provider import PolicyProvider
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_fixtures import SITE, SITE_OF_2_0, authorization, confirmation, site_changes
from tests.support.fake_appconfig import ACCEPTING_POLICY, GET_CONFIGURATION, START_SESSION, FakeAppConfig
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response

POLICY_CACHE_SECONDS = Settings(sites_secret="").policy_cache_seconds
SPENT_AMOUNTS = {Decimal("354.99")}

UNAVAILABLE_POLICIES: Mapping[str, Mapping[str, Exception]] = {
    "session denied": {
        START_SESSION: client_error("AccessDeniedException"),
        GET_CONFIGURATION: client_error("BadRequestException"),
    },
    "nothing deployed": {GET_CONFIGURATION: client_error("ResourceNotFoundException")},
}
INVALID_POLICIES: Mapping[str, Any] = {
    "invalid UTF-8": json.dumps(ACCEPTING_POLICY).encode() + b"\xe9",
    "truncated JSON": f'{{"defaults": "{MARKER}"',
}
for_each_defect = pytest.mark.parametrize("defect", [*UNAVAILABLE_POLICIES, *INVALID_POLICIES])

type AdvanceClock = Callable[[float], None]


def break_policy(appconfig: FakeAppConfig, defect: str) -> None:
    """Deploy an invalid policy, or raise errors in all further calls."""
    if defect in INVALID_POLICIES:
        appconfig.put(INVALID_POLICIES[defect])
    else:
        appconfig.errors = {operation: [error] * 100 for operation, error in UNAVAILABLE_POLICIES[defect].items()}


def reason_of(response: Response) -> str | None:
    """Return the reason of a decline, or ``None`` for an acceptance."""
    assert response.status == 200
    assert (response.fields["accept_payment"] == "no") is ("decline_reason" in response.fields)
    reason_by_text = {text.decline_reason: reason for reason, text in DEFAULT_TEXTS.items()}
    return reason_by_text[response.fields["decline_reason"]] if "decline_reason" in response.fields else None


def decision_reason(authorize: LambdaFunction, number: str, **changes: str | None) -> str | None:
    return reason_of(authorize(authorization(pnm_payment_identifier=number, **changes)))


@for_each_defect
def test_authorize_without_policy_declines_until_deployed(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    defect: str,
) -> None:
    break_policy(deployed_policy, defect)

    response = authorize(authorization(pnm_payment_identifier="1"))

    assert reason_of(response) == Reason.CANNOT_DECIDE_NOW
    assert response.fields["receipt"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
    assert ledger_table.all_items() == []
    assert captured_output.metric_total("PolicyUnavailable") == 1
    assert captured_output.metric_total("PolicyInvalid") == (defect in INVALID_POLICIES)
    [line] = captured_output.logs()
    assert (line["level"], line["error"]) == ("ERROR", "PolicyUnavailableError")
    assert ("policy_error_count" in line) is (defect in INVALID_POLICIES)
    assert MARKER not in response.body + captured_output.text()

    assert authorize(authorization(pnm_order_identifier=None)).status == 400
    deployed_policy.put_defaults(payment_types=["cash"])
    assert decision_reason(authorize, "1") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
    assert decision_reason(authorize, "2", payment_type="cash") is None


@for_each_defect
def test_policy_refresh_failed_cached_policy_stays_active(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    captured_output: CapturedOutput,
    advance_clock: AdvanceClock,
    defect: str,
) -> None:
    deployed_policy.put_defaults(payment_types=["credit"])
    assert decision_reason(authorize, "0") is None
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

    deployed_policy.put_defaults(payment_types=["cash"])
    advance_clock(POLICY_CACHE_SECONDS - 1)
    assert decision_reason(authorize, "4") is None
    advance_clock(1)
    assert decision_reason(authorize, "5") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
    assert decision_reason(authorize, "6", payment_type="cash") is None


@pytest.mark.parametrize("error", [client_error("BadRequestException"), KeyError("x")])
def test_policy_unchanged_same_session_read_failed_new_session(
    authorize: LambdaFunction, deployed_policy: FakeAppConfig, advance_clock: AdvanceClock, error: Exception
) -> None:
    deployed_policy.put_defaults(payment_types=["credit"])
    for number in "123":
        advance_clock(POLICY_CACHE_SECONDS)
        assert decision_reason(authorize, number, payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
    assert deployed_policy.calls == [START_SESSION] + [GET_CONFIGURATION] * 3

    deployed_policy.calls.clear()
    deployed_policy.fail(GET_CONFIGURATION, error)
    advance_clock(POLICY_CACHE_SECONDS)
    for number in "456":
        assert decision_reason(authorize, number, payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
    assert deployed_policy.calls == [GET_CONFIGURATION]

    advance_clock(POLICY_CACHE_SECONDS)
    assert decision_reason(authorize, "7") is None
    # A session token is valid for one request, and the failed request may have used it.
    assert deployed_policy.calls == [GET_CONFIGURATION, START_SESSION, GET_CONFIGURATION]


def test_policy_of_site_or_defaults_applied_version_stored(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
) -> None:
    deployed_policy.put({**ACCEPTING_POLICY, "sites": {SITE: {"unknown_order": "decline"}}})

    assert reason_of(authorize(authorization())) == Reason.ORDER_UNKNOWN
    version = hashlib.sha256(deployed_policy.content).hexdigest()[:12]
    assert captured_output.logs()[-1]["policy_version"] == ledger_table.payment()["policy_version"] == version
    assert reason_of(authorize(authorization(**site_changes(SITE_OF_2_0)))) is None
    assert deployed_policy.calls == [START_SESSION, GET_CONFIGURATION]


@pytest.mark.parametrize("is_cached", [False, True])
def test_policy_of_one_site_invalid_other_sites_not_affected(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    advance_clock: AdvanceClock,
    is_cached: bool,
) -> None:
    texts = {"texts": {"cannot_decide_now": {"receipt": "Later"}}}
    deployed_policy.put_defaults(**texts)
    if is_cached:
        authorize(authorization(pnm_payment_identifier="0"))
        advance_clock(POLICY_CACHE_SECONDS)
    defaults = {**ACCEPTING_POLICY["defaults"], "payment_types": ["cash"]}
    deployed_policy.put({"defaults": defaults, "sites": {SITE: {"payment_types": [MARKER]}}})

    assert decision_reason(authorize, "1", **site_changes(SITE_OF_2_0)) == Reason.PAYMENT_TYPE_NOT_ACCEPTED
    assert captured_output.metric_total("PolicyInvalid") == 0
    response = authorize(authorization(pnm_payment_identifier="2"))
    assert reason_of(response) == (None if is_cached else Reason.CANNOT_DECIDE_NOW)
    assert captured_output.metric_total("PolicyInvalid") == 1
    assert captured_output.metric_total("PolicyUnavailable") == (not is_cached)
    assert captured_output.logs()[-1]["policy_error_count"] == 1
    assert MARKER not in captured_output.text()
    # A decline without a decision has the text of the site's last valid policy.
    ledger_table.client.delete_table(TableName=ledger_table.table_name)
    expected = "Later" if is_cached else DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
    assert authorize(authorization(pnm_payment_identifier="3")).fields["receipt"] == expected


@pytest.mark.parametrize("defect", [None, "nothing deployed", "truncated JSON"])
def test_failure_decline_text_from_cached_policy_of_site(
    authorize: LambdaFunction,
    deployed_policy: FakeAppConfig,
    ledger_table: LedgerFixture,
    advance_clock: AdvanceClock,
    defect: str | None,
) -> None:
    defaults = {**ACCEPTING_POLICY["defaults"], "texts": {"cannot_decide_now": {"decline_reason": "{{Later}}"}}}
    site_defaults = {"texts": {"cannot_decide_now": {"receipt": "<pnm_payment />"}}}
    deployed_policy.put({"defaults": defaults, "sites": {SITE: site_defaults}})
    authorize(authorization())
    ledger_table.client.delete_table(TableName=ledger_table.table_name)
    if defect:
        break_policy(deployed_policy, defect)
        advance_clock(POLICY_CACHE_SECONDS)

    for changes, receipt in (
        ({}, "<pnm_payment />"),
        (site_changes(SITE_OF_2_0), DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt),
    ):
        response = authorize(authorization(**changes))
        assert (response.status, response.fields["accept_payment"]) == (200, "no")
        assert (response.fields["decline_reason"], response.fields["receipt"]) == ("{Later}", receipt)


# Confirmations without a policy.


# By scenario: the authorization, the confirmation without a policy, the anomalies, and the amounts in the windows.
SCENARIOS: dict[str, tuple[dict[str, Any] | None, dict[str, Any], set[str], set[Decimal]]] = {
    "paid, authorized": ({}, {}, set(), SPENT_AMOUNTS),
    "failed, not authorized": (None, {"status": "decline"}, set(), set()),
    "test": (None, {"test": "true"}, set(), set()),
    "no customer": (None, {"site_customer_identifier": None}, {"customer_missing"}, set()),
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
    aws_calls: AwsCallRecorder,
    scenario: str,
) -> None:
    authorized_changes, confirmed_changes, anomalies, spent_amounts = SCENARIOS[scenario]
    if authorized_changes is not None:
        authorize(authorization(**authorized_changes))
    break_policy(deployed_policy, "nothing deployed")

    calls = aws_calls.calls_during(lambda: confirm(confirmation(**confirmed_changes)))
    if scenario == "paid, authorized":
        assert calls == ["TransactWriteItems"]
    assert ledger_table.payment()["outcome"]
    assert (ledger_table.anomalies(), ledger_table.spent_amounts()) == (anomalies, spent_amounts)


def test_confirm_without_authorization_counts_by_cached_policy(
    confirm: LambdaFunction, deployed_policy: FakeAppConfig, ledger_table: LedgerFixture, advance_clock: AdvanceClock
) -> None:
    confirm(confirmation(pnm_payment_identifier="0", payment_amount="0.00", net_payment_amount="0.00"))
    break_policy(deployed_policy, "nothing deployed")
    advance_clock(POLICY_CACHE_SECONDS)

    assert confirm(confirmation()).status == 200
    assert ledger_table.spent_amounts() == SPENT_AMOUNTS
    assert "anomalies" not in ledger_table.payments()[1]


@pytest.mark.parametrize(("cache_seconds", "interval"), [(1, 15), (20, 15), (60, 55), (100_000, 86_400)])
def test_policy_session_poll_interval_below_cache_time(cache_seconds: int, interval: int) -> None:
    # With AppConfig's default of 60 seconds, each poll before it would fail and start a new session.
    content = {"Configuration": BytesIO(json.dumps(ACCEPTING_POLICY).encode()), "NextPollConfigurationToken": "2"}
    client = MagicMock(**{"get_latest_configuration.return_value": content})
    settings = Settings(sites_secret="", policy_cache_seconds=cache_seconds)

    PolicyProvider(settings, client).get(SITE, Deadline.after(1))

    [call] = client.start_configuration_session.call_args_list
    assert call.kwargs["RequiredMinimumPollIntervalInSeconds"] == interval
