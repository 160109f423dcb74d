"""The metrics of an invocation."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_gateway_events import body_event
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.dynamodb_stub import raise_in_table
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

MESSAGES = {"authorize": authorization, "confirm": confirmation, "get_smart_token": valid_smart_token_request}
CALLBACKS = ("authorize", "confirm")
PAID_CENTS = 35499
type CallbackMessage = tuple[str, dict[str, Any]]


DIMENSIONS = [["service"], ["operation", "service"]]
"""Each metric has two dimension sets: for all operations, as alarms need it, and for one operation."""


def metric_values(line: dict[str, Any]) -> dict[str, int]:
    """Return the counts of a line of metrics. Fails if its format is not valid for CloudWatch."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert directive["Namespace"] == "PayNearMe"
    assert sorted((sorted(names) for names in directive["Dimensions"]), key=len) == DIMENSIONS
    assert line["service"] == "paynearme"
    assert units.pop("DurationMs") == "Milliseconds"
    assert line["DurationMs"][0] >= 0
    if line["operation"] in CALLBACKS:
        assert units.pop("ResponseBudgetUsedPercent") == "Percent"
        assert line["ResponseBudgetUsedPercent"] == [pytest.approx(line["DurationMs"][0] / 100)]
    assert set(units.values()) <= {"Count"}
    return {name: int(sum(line[name])) for name in units}


def authorize_message(**changes: Any) -> CallbackMessage:
    return "authorize", changes


def confirm_message(**changes: Any) -> CallbackMessage:
    return "confirm", changes


def single_counts(*names: str, **counts: int) -> dict[str, int]:
    """Return a count of 1 for each of ``names``, and ``counts``."""
    return dict.fromkeys(names, 1) | counts


PAID_METRICS = {"PaymentConfirmed": 1, "ConfirmedAmountCents": PAID_CENTS}
DECLINED_METRICS = single_counts("AuthorizationDeclined", "DeclinedAmountNotPositive")

# By case: earlier messages, the message, and its metrics.
EXPECTED_METRICS: dict[str, tuple[list[CallbackMessage], CallbackMessage, dict[str, int]]] = {
    "accepted": ([], authorize_message(), single_counts("AuthorizationAccepted")),
    "declined": ([], authorize_message(payment_amount="0"), DECLINED_METRICS),
    "declined, duplicate": (
        [authorize_message(payment_amount="0")],
        authorize_message(payment_amount="0"),
        single_counts("AuthorizationDuplicate"),
    ),
    "accepted, duplicate": ([authorize_message()], authorize_message(), single_counts("AuthorizationDuplicate")),
    "conflict": (
        [authorize_message()],
        authorize_message(payment_type="x"),
        single_counts(
            "AuthorizationDeclined", "DeclinedConflictsWithEarlier", "Anomaly", "AnomalyAuthorizationConflict"
        ),
    ),
    "late": (
        [confirm_message()],
        authorize_message(payment_amount="1"),
        single_counts("AuthorizationAccepted", "Anomaly", "AnomalyAmountDiffers"),
    ),
    "paid": ([], confirm_message(), PAID_METRICS),
    "paid, test": ([], confirm_message(test="true"), single_counts("PaymentConfirmed")),
    "failed": ([], confirm_message(status="decline"), single_counts("PaymentFailed")),
    "paid, duplicate": ([confirm_message()], confirm_message(), single_counts("ConfirmationDuplicate")),
    "other order": (
        [authorize_message()],
        confirm_message(pnm_order_identifier="1"),
        PAID_METRICS | single_counts("Anomaly", "AnomalyOrderDiffers"),
    ),
    "other customer": (
        [authorize_message()],
        confirm_message(site_customer_identifier="1"),
        PAID_METRICS | single_counts("Anomaly", "AnomalyCustomerDiffers"),
    ),
    "no customer": (
        [],
        confirm_message(site_customer_identifier=None),
        PAID_METRICS | single_counts("Anomaly", "AnomalyCustomerMissing"),
    ),
    "paid after decline": (
        [authorize_message(payment_currency="CAD")],
        confirm_message(),
        PAID_METRICS | single_counts("AnomalyPaidAfterDecline", "AnomalyAmountDiffers", Anomaly=2),
    ),
    "contradicted": (
        [confirm_message()],
        confirm_message(status="decline"),
        single_counts("ConfirmationDuplicate", "Anomaly", "AnomalyOutcomeContradicted"),
    ),
    "paid after failure": (
        [confirm_message(status="decline")],
        confirm_message(),
        PAID_METRICS | single_counts("Anomaly", "AnomalyOutcomeContradicted"),
    ),
    "forged": ([], authorize_message(site_identifier="S1", secret="x"), single_counts("AuthenticationFailed")),
    "stale": ([], authorize_message(timestamp="1"), single_counts("AuthenticationFailed")),
    "invalid": ([], confirm_message(status="x"), single_counts("ValidationFailed", "CallbackInvalid")),
    "invalid, forged": ([], confirm_message(status="x", secret="x"), single_counts("AuthenticationFailed")),
    "Smart Token": ([], ("get_smart_token", {}), single_counts("PayNearMeCallSucceeded")),
    "Smart Token, invalid": ([], ("get_smart_token", {"unknown": "x"}), single_counts("ValidationFailed")),
}


@pytest.mark.parametrize("case", EXPECTED_METRICS)
def test_metrics_one_log_line_and_one_metric_line_per_invocation(
    cold_start: Callable[[str], LambdaFunction], paynearme: PayNearMeStub, captured_output: CapturedOutput, case: str
) -> None:
    previous_messages, message, expected = EXPECTED_METRICS[case]
    statuses = [cold_start(name)(MESSAGES[name](**changes)).status for name, changes in [*previous_messages, message]]

    logs, metrics = captured_output.logs(), captured_output.metrics()
    assert len(logs) == len(metrics) == len(previous_messages) + 1
    assert [log_line["status"] for log_line in logs] == statuses
    assert [log_line["operation"] for log_line in logs] == [metric["operation"] for metric in metrics]
    assert logs[-1]["operation"] == message[0]
    assert metric_values(metrics[-1]) == expected


UNDECIDED_METRICS = single_counts("AuthorizationDeclined", "DeclinedCannotDecideNow")


@pytest.mark.parametrize(("name", "decision_metrics"), [("authorize", UNDECIDED_METRICS), ("confirm", {})])
def test_metrics_without_table_count_ledger_unavailable(
    cold_start: Callable[[str], LambdaFunction],
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
    decision_metrics: dict[str, int],
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)
    cold_start(name)(MESSAGES[name]())

    [metrics] = captured_output.metrics()
    assert metric_values(metrics) == single_counts("LedgerUnavailable", "CallbackFailed") | decision_metrics


@pytest.mark.parametrize(
    ("name", "extra_metrics"),
    [
        ("authorize", single_counts("CallbackFailed") | UNDECIDED_METRICS),
        ("confirm", single_counts("CallbackFailed")),
        ("get_smart_token", {}),
    ],
)
def test_metrics_without_secret_count_site_keys_unavailable(
    cold_start: Callable[[str], LambdaFunction],
    paynearme: PayNearMeStub,
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
    name: str,
    extra_metrics: dict[str, int],
) -> None:
    sites_secret.delete()
    cold_start(name)(MESSAGES[name]())

    [metrics] = captured_output.metrics()
    assert metric_values(metrics) == single_counts("SiteKeysUnavailable") | extra_metrics


@pytest.mark.parametrize(("name", "decision_metrics"), [("authorize", UNDECIDED_METRICS), ("confirm", {})])
def test_metrics_count_internal_error(
    cold_start: Callable[[str], LambdaFunction],
    monkeypatch: pytest.MonkeyPatch,
    captured_output: CapturedOutput,
    name: str,
    decision_metrics: dict[str, int],
) -> None:
    def raise_error(*_: object) -> None:
        raise RuntimeError

    raise_in_table(monkeypatch, raise_error)
    cold_start(name)(MESSAGES[name]())

    [metrics] = captured_output.metrics()
    assert metric_values(metrics) == single_counts("InternalError", "CallbackFailed") | decision_metrics


def test_metrics_and_log_fields_reset_between_invocations(
    authorize: LambdaFunction, captured_output: CapturedOutput
) -> None:
    authorize(authorization())
    authorize.handle(body_event("{"))

    first, second = captured_output.logs()
    assert "pnm_payment_identifier" in first
    assert "pnm_payment_identifier" not in second
    assert [set(metric_values(line)) for line in captured_output.metrics()] == [
        {"AuthorizationAccepted"},
        {"MalformedRequest"},
    ]
