"""The metrics of an invocation."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_gateway_events import body_event
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

MESSAGES = {"authorize": authorization, "confirm": confirmation, "get_smart_token": valid_smart_token_request}
DIMENSIONS = [["service"], ["operation", "service"]]
"""Each metric has two dimension sets: for all operations, as alarms need it, and for one operation."""

type Message = tuple[str, dict[str, Any]]


def metric_values(line: dict[str, Any]) -> dict[str, int]:
    """Return the counts of a line of metrics. Fails if its format is not valid for CloudWatch."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert directive["Namespace"] == "PayNearMe"
    assert sorted((sorted(names) for names in directive["Dimensions"]), key=len) == DIMENSIONS
    assert line["service"] == "paynearme"
    assert units.pop("DurationMs") == "Milliseconds"
    if line["operation"] != "get_smart_token":
        assert units.pop("ResponseBudgetUsedPercent") == "Percent"
        assert line["ResponseBudgetUsedPercent"] == pytest.approx(line["DurationMs"] / 100, abs=0.006)
    assert set(units.values()) <= {"Count"}
    return {name: line[name] for name in units}


def single_counts(*names: str) -> dict[str, int]:
    """Return a count of 1 for each of ``names``."""
    return dict.fromkeys(names, 1)


PAID_METRICS = {"PaymentConfirmed": 1, "ConfirmedAmountCents": 35499}

# By case: earlier messages, the message, and its metrics.
EXPECTED_METRICS: dict[str, tuple[list[Message], Message, dict[str, int]]] = {
    "accepted": ([], ("authorize", {}), single_counts("AuthorizationAccepted")),
    "declined": (
        [],
        ("authorize", {"payment_amount": "0"}),
        single_counts("AuthorizationDeclined", "DeclinedAmountNotPositive"),
    ),
    "duplicate": ([("authorize", {})], ("authorize", {}), single_counts("AuthorizationDuplicate")),
    "conflict": (
        [("authorize", {})],
        ("authorize", {"payment_type": "x"}),
        single_counts(
            "AuthorizationDeclined", "DeclinedConflictsWithEarlier", "Anomaly", "AnomalyAuthorizationConflict"
        ),
    ),
    "paid": ([], ("confirm", {}), PAID_METRICS),
    "paid, test": ([], ("confirm", {"test": "true"}), single_counts("PaymentConfirmed")),
    "failed": ([], ("confirm", {"status": "decline"}), single_counts("PaymentFailed")),
    "paid, duplicate": ([("confirm", {})], ("confirm", {}), single_counts("ConfirmationDuplicate")),
    "paid after decline": (
        [("authorize", {"payment_currency": "CAD"})],
        ("confirm", {}),
        PAID_METRICS | single_counts("AnomalyPaidAfterDecline", "AnomalyAmountDiffers") | {"Anomaly": 2},
    ),
    "contradicted": (
        [("confirm", {})],
        ("confirm", {"status": "decline"}),
        single_counts("ConfirmationDuplicate", "Anomaly", "AnomalyOutcomeContradicted"),
    ),
    "forged": ([], ("confirm", {"status": "x", "secret": "x"}), single_counts("AuthenticationFailed")),
    "quarantined": (
        [],
        ("confirm", {"status": "x"}),
        single_counts("CallbackQuarantined", "QuarantinedUnknownStatus", "QuarantineSize"),
    ),
    "quarantined, repeated": (
        [("confirm", {"status": "x"})],
        ("confirm", {"status": "x", "timestamp": "1"}),
        single_counts("QuarantineRepeated"),
    ),
    "quarantined, without order": (
        [],
        ("confirm", {"pnm_order_identifier": None}),
        single_counts("ValidationFailed", "CallbackQuarantined", "QuarantinedInvalidParameters", "QuarantineSize"),
    ),
    "stale": (
        [],
        ("authorize", {"timestamp": "1"}),
        single_counts("CallbackQuarantined", "QuarantinedStaleTimestamp", "QuarantineSize")
        | single_counts("AuthorizationDeclined", "DeclinedStaleTimestamp"),
    ),
    "stale, repeated": (
        [("authorize", {})],
        ("authorize", {"timestamp": "1"}),
        single_counts("StaleAuthorizationRepeated", "AuthorizationDeclined", "DeclinedStaleTimestamp"),
    ),
    "Smart Token": ([], ("get_smart_token", {}), single_counts("PayNearMeCallSucceeded")),
}


@pytest.mark.parametrize("case", EXPECTED_METRICS)
def test_metrics_one_log_line_and_one_metric_line_per_invocation(
    cold_start: Callable[[str], LambdaFunction], paynearme: PayNearMeStub, captured_output: CapturedOutput, case: str
) -> None:
    previous_messages, message, expected = EXPECTED_METRICS[case]
    statuses = [cold_start(name)(MESSAGES[name](**changes)).status for name, changes in [*previous_messages, message]]

    logs, metrics = captured_output.logs(), captured_output.metrics()
    assert [log_line["status"] for log_line in logs] == statuses
    assert [log_line["operation"] for log_line in logs] == [metric["operation"] for metric in metrics]
    assert [log_line["duration_ms"] for log_line in logs] == [metric["DurationMs"] for metric in metrics]
    assert logs[-1]["operation"] == message[0]
    assert metric_values(metrics[-1]) == expected


@pytest.mark.parametrize(
    ("name", "metric", "other_metrics"),
    [
        ("authorize", "LedgerUnavailable", ["CallbackFailed", "AuthorizationDeclined", "DeclinedCannotDecideNow"]),
        ("confirm", "LedgerUnavailable", ["CallbackFailed"]),
        ("confirm", "SiteKeysUnavailable", ["CallbackFailed"]),
        ("get_smart_token", "SiteKeysUnavailable", []),
    ],
)
def test_metrics_of_failure_count_its_cause(
    cold_start: Callable[[str], LambdaFunction],
    paynearme: PayNearMeStub,
    ledger_table: LedgerFixture,
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
    name: str,
    metric: str,
    other_metrics: list[str],
) -> None:
    if metric == "LedgerUnavailable":
        ledger_table.client.delete_table(TableName=ledger_table.table_name)
    else:
        sites_secret.delete()
    cold_start(name)(MESSAGES[name]())

    [metrics] = captured_output.metrics()
    assert metric_values(metrics) == single_counts(metric, *other_metrics)


def test_metrics_and_log_fields_reset_between_invocations(
    authorize: LambdaFunction, captured_output: CapturedOutput
) -> None:
    authorize(authorization())
    authorize.handle(body_event("{"))

    first, second = captured_output.logs()
    assert "pnm_payment_identifier" in first
    assert "pnm_payment_identifier" not in second
    assert "AuthorizationAccepted" not in metric_values(captured_output.metrics()[1])
