"""The dashboard shows what the code counts, and all decisions and anomalies there can be."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from paynearme.platform.telling_tmp import CALL_ERROR_METRICS, CALL_SUCCEEDED

from paynearme.ledger.results import Anomaly, AuthorizationResult, ConfirmationResult
from paynearme.policy import Decision, Reason
from paynearme.protocol.callbacks import Outcome
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE
from tests.unit.ledger.test_results import DECIDED_AT

STACK = "a-stack"
SUBSTITUTIONS = {
    "AWS::StackName": STACK,
    "AWS::Region": "us-east-1",
    "EventsDeadLetterQueue.QueueName": "a-queue",
}
BODY: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def substitute(body: str) -> str:
    """Return a text as CloudFormation makes it: with names in the place of what they are taken from."""
    return re.sub(r"\$\{([\w:.]+)\}", lambda match: SUBSTITUTIONS[match[1]], body)


WIDGETS: list[dict[str, Any]] = json.loads(substitute(BODY))["widgets"]
TITLES = [widget["properties"]["title"] for widget in WIDGETS]
COLUMNS = 24


def metrics_of(widget: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Yield namespace, name, dimensions and options of each metric of a widget."""
    for entry in widget["properties"]["metrics"]:
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        names = [part for part in entry if isinstance(part, str)]
        if names:
            pairs = dict(zip(names[2::2], names[3::2], strict=True))
            yield names[0], names[1], pairs, options


def shown_metrics(title: str) -> list[str]:
    """Return the names of the metrics of a widget."""
    return [name for _, name, _, _ in metrics_of(WIDGETS[TITLES.index(title)])]


@pytest.mark.parametrize("title", TITLES)
def test_a_widget_shows_metrics_that_the_code_counts_for_this_stack(title: str) -> None:
    operations = {function["CodeUri"].removeprefix("functions/") for function in FUNCTIONS.values()}
    for namespace, name, dimensions, _ in metrics_of(WIDGETS[TITLES.index(title)]):
        if namespace == "AWS/SQS":
            assert (name, dimensions) == ("ApproximateNumberOfMessagesVisible", {"QueueName": "a-queue"})
            continue
        assert namespace == "PayNearMe"
        assert name in ALL_METRIC_NAMES
        assert dimensions.pop("service") == STACK
        assert dimensions.keys() <= {"operation"}
        assert set(dimensions.values()) <= operations


@pytest.mark.parametrize("title", TITLES)
def test_what_is_computed_is_computed_of_what_the_widget_has(title: str) -> None:
    widget = WIDGETS[TITLES.index(title)]
    identifiers = {options.get("id") for _, _, _, options in metrics_of(widget)}
    for entry in widget["properties"]["metrics"]:
        if "expression" in entry[-1]:
            # Cents are shown as dollars, and nothing else is computed.
            assert entry[-1]["expression"] == "cents/100"
            assert "cents" in identifiers


def test_each_reason_of_a_decline_is_shown_with_its_code() -> None:
    reasons = [reason for reason in Reason if reason is not Reason.ACCEPTED]
    widget = WIDGETS[TITLES.index("Declines by reason")]
    for reason, (_, name, _, options) in zip(reasons, metrics_of(widget), strict=True):
        decision = Decision(False, reason, "No", "")
        assert name in AuthorizationResult(decision, DECIDED_AT, "", is_duplicate=False).metrics
        assert options["label"] == reason


def test_each_kind_of_anomaly_is_shown_with_its_code() -> None:
    widget = WIDGETS[TITLES.index("Anomalies by kind")]
    for anomaly, (_, name, _, options) in zip(Anomaly, metrics_of(widget), strict=True):
        counts = ConfirmationResult(Outcome.PAYMENT, is_duplicate=False, anomalies=frozenset({anomaly})).metrics
        assert name in counts
        assert options["label"] == anomaly


def test_each_kind_of_answer_of_paynearmes_is_shown() -> None:
    assert sorted(shown_metrics("PayNearMe calls")) == sorted(
        [CALL_SUCCEEDED, *(name for _, name in CALL_ERROR_METRICS)]
    )


def test_money_decisions_time_and_anomalies_are_seen_at_a_glance() -> None:
    assert TITLES[0] == "Overview"
    expected_metrics = {
        "ConfirmedAmountCents",
        "AuthorizationAccepted",
        "AuthorizationDeclined",
        "ResponseBudgetUsedPercent",
        "Anomaly",
    }
    assert expected_metrics <= set(shown_metrics("Overview"))


def test_the_limit_that_is_drawn_is_the_alarms() -> None:
    [line] = WIDGETS[TITLES.index("Response budget used")]["properties"]["annotations"]["horizontal"]
    assert line["value"] == RESOURCES[line["label"]]["Properties"]["Threshold"]


def test_no_widget_lies_over_another_or_beyond_the_edge() -> None:
    def overlaps(a: dict[str, Any], b: dict[str, Any]) -> bool:
        is_horizontally_apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        is_vertically_apart = a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        return not (is_horizontally_apart or is_vertically_apart)

    assert not [pair for pair in combinations(WIDGETS, 2) if overlaps(*pair)]
    assert all(widget["x"] + widget["width"] <= COLUMNS for widget in WIDGETS)


def test_the_runbook_names_widgets_as_they_are_called() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    mentions = re.findall(r"\*([^*\n]+)\* on the dashboard|on the dashboard \(\*([^*\n]+)\*\)", runbook)
    titles = {first or second for first, second in mentions}
    assert titles
    assert titles <= set(TITLES)


def test_the_dashboard_has_the_stacks_name() -> None:
    assert RESOURCES["Dashboard"]["Properties"]["DashboardName"] == {"Ref": "AWS::StackName"}
    assert TEMPLATE["Outputs"]["DashboardName"]["Value"] == {"Ref": "Dashboard"}
    assert not [name for name in PARAMETERS if "Dashboard" in name]
