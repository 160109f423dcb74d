"""A metric is written once per invocation, with both dimension sets."""

import json

import pytest

from paynearme.platform import observability


def test_metric_summed_per_request(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(250):
        observability.add_metric("EventPublished")
    observability.flush("publish_events", 200, 1.0)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric_line,) = [line for line in lines if "_aws" in line]
    (directive,) = metric_line["_aws"]["CloudWatchMetrics"]
    assert metric_line["EventPublished"] == [250]
    assert [sorted(names) for names in directive["Dimensions"]] == [["operation", "service"], ["service"]]


def test_metric_not_carried_to_next_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    observability.add_metric("EventPublished")
    observability.flush("publish_events", 200, 1.0)
    observability.flush("publish_events", 200, 1.0)

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert "EventPublished" in first
    assert "EventPublished" not in second
