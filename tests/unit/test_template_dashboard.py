"""The dashboard shows what the code counts, and all decisions and anomalies there can be."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from paynearme.messages import Outcome
from paynearme.payments import Anomaly, Authorized, Confirmed
from paynearme.policy import Decision, Reason
from paynearme.telling import ANSWERED, CAME_TO
from tests.measures import COUNTED
from tests.template import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE
from tests.unit.test_payments import DECIDED_AT

STACK = "a-stack"
SUBSTITUTED = {
    "AWS::StackName": STACK,
    "AWS::Region": "us-east-1",
    "DeadLetters.QueueName": "a-queue",
}
BODY: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def substituted(body: str) -> str:
    """Return a text as CloudFormation makes it: with names in the place of what they are taken from."""
    return re.sub(r"\$\{([\w:.]+)\}", lambda found: SUBSTITUTED[found[1]], body)


WIDGETS: list[dict[str, Any]] = json.loads(substituted(BODY))["widgets"]
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


def shown(title: str) -> list[str]:
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
        assert name in COUNTED
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
        assert name in Authorized(decision, DECIDED_AT, "", repeated=False).counts
        assert options["label"] == reason


def test_each_kind_of_anomaly_is_shown_with_its_code() -> None:
    widget = WIDGETS[TITLES.index("Anomalies by kind")]
    for anomaly, (_, name, _, options) in zip(Anomaly, metrics_of(widget), strict=True):
        counts = Confirmed(Outcome.PAYMENT, repeated=False, anomalies=frozenset({anomaly})).counts
        assert name in counts
        assert options["label"] == anomaly


def test_each_kind_of_answer_of_paynearmes_is_shown() -> None:
    assert sorted(shown("PayNearMe's answers")) == sorted([ANSWERED, *(name for _, name in CAME_TO)])


def test_money_decisions_time_and_anomalies_are_seen_at_a_glance() -> None:
    assert TITLES[0] == "At a glance"
    wanted = {"ConfirmedAmountCents", "AuthorizationAccepted", "AuthorizationDeclined", "ResponseBudgetUsedPercent", "Anomaly"}
    assert wanted <= set(shown("At a glance"))


def test_the_limit_that_is_drawn_is_the_alarms() -> None:
    [line] = WIDGETS[TITLES.index("Time used")]["properties"]["annotations"]["horizontal"]
    assert line["value"] == RESOURCES[line["label"]]["Properties"]["Threshold"]


def test_no_widget_lies_over_another_or_beyond_the_edge() -> None:
    def overlaps(a: dict[str, Any], b: dict[str, Any]) -> bool:
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        above = a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        return not (beside or above)

    assert not [pair for pair in combinations(WIDGETS, 2) if overlaps(*pair)]
    assert all(widget["x"] + widget["width"] <= COLUMNS for widget in WIDGETS)


def test_the_runbook_names_widgets_as_they_are_called() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    named = re.findall(r"\*([^*\n]+)\* on the dashboard|on the dashboard \(\*([^*\n]+)\*\)", runbook)
    titles = {one or other for one, other in named}
    assert titles
    assert titles <= set(TITLES)


def test_the_dashboard_has_the_stacks_name() -> None:
    assert RESOURCES["Dashboard"]["Properties"]["DashboardName"] == {"Ref": "AWS::StackName"}
    assert TEMPLATE["Outputs"]["DashboardName"]["Value"] == {"Ref": "Dashboard"}
    assert not [name for name in PARAMETERS if "Dashboard" in name]
