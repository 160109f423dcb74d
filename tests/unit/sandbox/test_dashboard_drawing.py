import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from paynearme.platform import observability
from sandbox.dashboard.drawing import draw
from sandbox.dashboard.metrics import MetricValues, Series, panels_of
from tests.unit.template.test_dashboard import BODY, STACK

SERVICE = frozenset({("service", "s")})


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


def test_metric_values_read_from_function_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    observability.add_metric("PaymentConfirmed")
    observability.add_metric("ConfirmedAmountCents", 35499)
    observability.flush("confirm", 200, 12.5)
    measurements = measure(*capsys.readouterr().out.splitlines())

    service = frozenset({("service", observability.SERVICE)})
    amount_series = Series(("PayNearMe", "ConfirmedAmountCents", service), "", None, "Sum", 100)
    duration_series = Series(("PayNearMe", "DurationMs", service | {("operation", "confirm")}), "", None, "Maximum")
    assert measurements.overall(amount_series) == 354.99
    assert measurements.overall(duration_series) == 12.5


@pytest.mark.parametrize(
    ("statistic", "divisor", "expected"),
    [("Sum", 1, 10), ("Sum", 100, 0.1), ("Maximum", 1, 4), ("p50", 1, 2.5), ("p99", 1, 3.97)],
)
def test_metric_values_combined_by_statistic(statistic: str, divisor: int, expected: float) -> None:
    measurements = measure(line(1, Paid=[1.0, 4.0]), line(2, Paid=2.0), line(9, Paid=[3.0]))

    series = Series(("PayNearMe", "Paid", SERVICE), "Paid", None, statistic, divisor)
    assert measurements.overall(series) == pytest.approx(expected)


@pytest.mark.parametrize("lines", [[line(1, Paid=[1.0])], [line(n, ConfirmedAmountCents=[n * 1.0]) for n in range(90)]])
def test_dashboard_drawing_is_small_png(lines: list[str]) -> None:
    names = json.dumps({"service": STACK})
    measurements = measure(*(text.replace('"service": "s"', names[1:-1]) for text in lines))
    png = draw(panels_of(BODY), measurements, "a-stack")

    assert len(png) < 200_000
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    assert 1000 < image.width < image.height * 1.2
