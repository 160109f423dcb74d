import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from paynearme.platform import observability
from sandbox.dashboard.drawing import draw
from sandbox.dashboard.metrics import Limit, MetricValues, Panel, Periods, Series, panels_of
from tests.unit.template.test_dashboard import BODY, STACK, WIDGETS

SERVICE = frozenset({("service", "s")})
CONFIRM_DIMENSIONS = frozenset({("service", "s"), ("operation", "confirm")})


def series(statistic: str = "Sum", divisor: int = 1, name: str = "Paid") -> Series:
    return Series(("PayNearMe", name, SERVICE), name, "#000000", statistic, divisor)


def line(second: float, **values: Any) -> str:
    """Return a function's log line with metrics."""
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Namespace": "PayNearMe", "Dimensions": [["operation", "service"], ["service"]], "Metrics": metrics}
    metadata = {"Timestamp": second * 1000, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "service": "s", "operation": "confirm", **values})


def measure(*lines: str) -> MetricValues:
    measurements = MetricValues()
    measurements.read(lines)
    return measurements


def test_what_a_function_writes_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    observability.add_metric("PaymentConfirmed")
    observability.add_metric("ConfirmedAmountCents", 35499)
    observability.flush("confirm", 200, 12.5)
    measurements = measure(*capsys.readouterr().out.splitlines())

    service = frozenset({("service", observability.SERVICE)})
    amount_series = Series(("PayNearMe", "ConfirmedAmountCents", service), "", None, "Sum", 100)
    duration_series = Series(("PayNearMe", "DurationMs", service | {("operation", "confirm")}), "", None, "Maximum")
    assert measurements.overall(amount_series) == 354.99
    assert measurements.overall(duration_series) == 12.5


def test_values_are_kept_under_each_set_of_dimensions() -> None:
    measurements = measure(line(1, Paid=[1.0]))

    assert measurements.overall(series()) == 1
    assert measurements.overall(Series(("PayNearMe", "Paid", CONFIRM_DIMENSIONS), "", None, "Sum")) == 1
    assert measurements.overall(Series(("Another", "Paid", SERVICE), "", None, "Sum")) == 0


@pytest.mark.parametrize(
    ("statistic", "divisor", "expected"),
    [("Sum", 1, 10), ("Sum", 100, 0.1), ("Maximum", 1, 4), ("p50", 1, 2.5), ("p99", 1, 3.97)],
)
def test_values_are_put_together_as_the_statistic_says(statistic: str, divisor: int, expected: float) -> None:
    measurements = measure(line(1, Paid=[1.0, 4.0]), line(2, Paid=2.0), line(9, Paid=[3.0]))

    assert measurements.overall(series(statistic, divisor)) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "START RequestId", "{", "[]", '{"level": "INFO"}', '"_aws"'])
def test_a_line_that_holds_no_metric_is_passed_over(text: str) -> None:
    measurements = measure(text, line(5, Paid=[1.0]))

    assert measurements.overall(series()) == 1
    assert measurements.span == (5, 5)


def test_values_are_put_into_the_periods_in_which_they_lie() -> None:
    measurements = measure(line(10, Paid=[1.0]), line(10.9, Paid=[1.0]), line(13, Paid=[5.0]))

    assert measurements.per_period(series(), Periods.of(*measurements.span)) == [2, None, None, 5]


@pytest.mark.parametrize(
    ("seconds", "period"), [(0, 1), (40, 1), (100, 2), (600, 15), (3600, 300), (86_400, 3600), (10**7, 170_000)]
)
def test_periods_are_round_and_not_too_many_to_be_seen(seconds: int, period: int) -> None:
    start = 1_795_888_253.7
    periods = Periods.of(start, start + seconds)

    assert periods.seconds == pytest.approx(period, rel=0.05)
    assert periods.count <= 61
    assert periods.index_of(start) == 0
    assert periods.index_of(start + seconds) == periods.count - 1


@pytest.mark.parametrize("seconds", [1, 40, 100, 600, 3600, 86_400])
def test_an_axis_of_time_has_a_few_round_times(seconds: int) -> None:
    start = 1_795_888_253.7
    periods = Periods.of(start, start + seconds)
    ticks = periods.ticks(5)

    assert 1 <= len(ticks) <= 6
    assert ticks[0] >= periods.begin
    assert not [tick for tick in ticks if tick % 1]


def test_nothing_measured_is_told() -> None:
    with pytest.raises(ValueError, match="empty"):
        _ = MetricValues().span


def test_each_widget_becomes_the_panel_that_it_is() -> None:
    panels = panels_of(BODY)

    assert [panel.title for panel in panels] == [widget["properties"]["title"] for widget in WIDGETS]
    for panel, widget in zip(panels, WIDGETS, strict=True):
        assert panel.grid_cell == tuple(widget[name] for name in ("x", "y", "width", "height"))
        hidden_metrics = [m for m in widget["properties"]["metrics"] if m[-1].get("visible") is False]
        assert len(panel.series) == len(widget["properties"]["metrics"]) - len(hidden_metrics)


def test_a_panel_has_what_its_widget_says() -> None:
    metrics = [
        [{"expression": "cents/100", "label": "Paid", "color": "#111111", "id": "dollars"}],
        ["PayNearMe", "ConfirmedAmountCents", "service", "s", {"id": "cents", "visible": False}],
        ["PayNearMe", "ResponseBudgetUsedPercent", "service", "s", "operation", "confirm", {"stat": "p99"}],
    ]
    limit = {"label": "SlowAlarm", "value": 30, "color": "#222222"}
    properties = {
        "title": "Money",
        "view": "timeSeries",
        "stat": "Sum",
        "stacked": True,
        "yAxis": {"left": {"label": "US dollars", "max": 100}},
        "annotations": {"horizontal": [limit]},
        "metrics": metrics,
    }
    widget = {"x": 0, "y": 1, "width": 2, "height": 3, "properties": properties}

    assert panels_of(json.dumps({"widgets": [widget]})) == [
        Panel(
            title="Money",
            view="timeSeries",
            grid_cell=(0, 1, 2, 3),
            series=(
                Series(("PayNearMe", "ConfirmedAmountCents", SERVICE), "Paid", "#111111", "Sum", 100),
                Series(
                    ("PayNearMe", "ResponseBudgetUsedPercent", CONFIRM_DIMENSIONS),
                    "ResponseBudgetUsedPercent",
                    None,
                    "p99",
                ),
            ),
            unit="US dollars",
            max_value=100,
            stacked=True,
            limits=(Limit("SlowAlarm", 30, "#222222"),),
        )
    ]


def test_what_cannot_be_computed_is_refused_and_not_drawn_as_something_else() -> None:
    metrics = [[{"expression": "SUM(METRICS())", "label": "x", "color": "#000000"}]]
    properties = {"title": "t", "view": "bar", "stat": "Sum", "metrics": metrics}
    body = {"widgets": [{"x": 0, "y": 0, "width": 1, "height": 1, "properties": properties}]}

    with pytest.raises(ValueError, match="SUM"):
        panels_of(json.dumps(body))


@pytest.mark.parametrize("lines", [[line(1, Paid=[1.0])], [line(n, ConfirmedAmountCents=[n * 1.0]) for n in range(90)]])
def test_the_whole_dashboard_is_drawn_small_enough_for_a_page(lines: list[str]) -> None:
    names = json.dumps({"service": STACK})
    measurements = measure(*(text.replace('"service": "s"', names[1:-1]) for text in lines))
    png = draw(panels_of(BODY), measurements, "a-stack")

    assert len(png) < 200_000
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    assert 1000 < image.width < image.height * 1.2
