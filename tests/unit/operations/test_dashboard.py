import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from operations.__main__ import main
from operations.dashboard import TEMPLATE, dashboard_body, embed
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import FUNCTIONS, RESOURCES

WIDGETS: list[dict[str, Any]] = json.loads(dashboard_body())["widgets"]


def test_dashboard_body_in_template_is_generated() -> None:
    template = TEMPLATE.read_text(encoding="utf-8")
    assert embed(template) == template
    assert RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] == dashboard_body()


@pytest.mark.parametrize(("options", "result"), [([], (0, True)), (["--check"], (1, False))], ids=["write", "check"])
def test_dashboard_command_outdated_body_written_or_check_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], result: tuple[int, bool]
) -> None:
    current, path = TEMPLATE.read_text(encoding="utf-8"), tmp_path / "template.yaml"
    path.write_text(current.replace('"title":"Overview"', '"title":"Old"'), encoding="utf-8")
    monkeypatch.setattr("operations.dashboard.TEMPLATE", path)

    exit_code = CliRunner().invoke(main, ["dashboard-body", *options]).exit_code

    assert (exit_code, path.read_text(encoding="utf-8") == current) == result


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget["properties"]["title"])
def test_widget_metrics_exist_in_code_for_stack(widget: dict[str, Any]) -> None:
    operations = {function["CodeUri"].removeprefix("functions/") for function in FUNCTIONS.values()}
    for entry in widget["properties"]["metrics"]:
        names = [part for part in entry if isinstance(part, str)]
        dimensions = dict(zip(names[2::2], names[3::2], strict=True))
        if names[:1] == ["PayNearMe"]:
            assert names[1] in ALL_METRIC_NAMES
            assert dimensions["service"] == "${AWS::StackName}"
            assert dimensions.get("operation", "confirm") in operations
        elif names:
            queue_size = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName")
            assert (*names[:2], *dimensions) == queue_size
    for line in widget["properties"].get("annotations", {}).get("horizontal", []):
        assert line["value"] == RESOURCES[line["label"]]["Properties"]["Threshold"]
