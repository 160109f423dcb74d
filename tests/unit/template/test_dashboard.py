"""The dashboard in the template is the generated one, and shows metrics that the code counts."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from click.testing import CliRunner

from operations.__main__ import main
from operations.dashboard import TEMPLATE, dashboard_body, embed
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import FUNCTIONS, RESOURCES, ROOT

STACK = "a-stack"
SUBSTITUTIONS = {"AWS::StackName": STACK, "AWS::Region": "us-east-1", "EventsDeadLetterQueue.QueueName": "a-queue"}
BODY = re.sub(r"\$\{([\w:.]+)\}", lambda match: SUBSTITUTIONS[match[1]], dashboard_body())
WIDGETS: list[dict[str, Any]] = json.loads(BODY)["widgets"]
TITLES = [widget["properties"]["title"] for widget in WIDGETS]
COLUMNS = 24


def metrics_of(title: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, name and dimensions of each metric of a widget."""
    for entry in WIDGETS[TITLES.index(title)]["properties"]["metrics"]:
        names = [part for part in entry if isinstance(part, str)]
        if names:
            yield names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True))


def test_dashboard_body_in_template_is_generated() -> None:
    template = TEMPLATE.read_text(encoding="utf-8")
    assert embed(template) == template
    assert RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] == dashboard_body()


@pytest.mark.parametrize("command", [["dashboard-body"], ["dashboard-body", "--check"]], ids=["write", "check"])
def test_dashboard_command_outdated_body_written_or_check_fails(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    current = TEMPLATE.read_text(encoding="utf-8")
    path = tmp_path / "template.yaml"
    path.write_text(current.replace('"title":"Overview"', '"title":"Old"'), encoding="utf-8")
    monkeypatch.setattr("operations.dashboard.TEMPLATE", path)

    result = CliRunner().invoke(main, command)

    is_written = path.read_text(encoding="utf-8") == current
    assert (result.exit_code, is_written) == ((1, False) if "--check" in command else (0, True))


@pytest.mark.parametrize("title", TITLES)
def test_widget_metrics_exist_in_code_for_stack(title: str) -> None:
    operations = {function["CodeUri"].removeprefix("functions/") for function in FUNCTIONS.values()}
    for namespace, name, dimensions in metrics_of(title):
        if namespace == "AWS/SQS":
            assert (name, dimensions) == ("ApproximateNumberOfMessagesVisible", {"QueueName": "a-queue"})
            continue
        assert namespace == "PayNearMe"
        assert name in ALL_METRIC_NAMES
        assert dimensions.pop("service") == STACK
        assert dimensions.keys() <= {"operation"}
        assert set(dimensions.values()) <= operations


def test_widget_line_equals_alarm_threshold() -> None:
    [line] = WIDGETS[TITLES.index("Response budget used")]["properties"]["annotations"]["horizontal"]
    assert line["value"] == RESOURCES[line["label"]]["Properties"]["Threshold"]


def test_widgets_do_not_overlap_or_exceed_columns() -> None:
    def overlaps(a: dict[str, Any], b: dict[str, Any]) -> bool:
        is_horizontally_apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        is_vertically_apart = a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        return not (is_horizontally_apart or is_vertically_apart)

    assert not [pair for pair in combinations(WIDGETS, 2) if overlaps(*pair)]
    assert all(widget["x"] + widget["width"] <= COLUMNS for widget in WIDGETS)


def test_runbook_mentions_only_existing_widgets() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    titles = set(re.findall(r"\*([^*\n]+)\* on the dashboard", runbook))
    assert titles
    assert titles <= set(TITLES)
