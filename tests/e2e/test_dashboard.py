"""The dashboard shows the metrics of the deployed functions, and the image of it is small."""

from decimal import Decimal

import pytest

from sandbox.dashboard.image import read_metrics, render_dashboard
from sandbox.dashboard.metrics import Series, panels_of
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation
from sandbox.stack.stack import Stack

MAX_IMAGE_BYTES = 200_000
PNG = b"\x89PNG\r\n"


def single_value_series(stack: Stack) -> dict[str, Series]:
    """Return the series of the first widget of the deployed dashboard by label."""
    body = stack.client("cloudwatch").get_dashboard(DashboardName=stack.stack_name)["DashboardBody"]
    return {series.label: series for series in panels_of(body)[0].series}


def test_dashboard_retried_callbacks_exact_amounts_and_counts(
    stack: Stack, sender: CallbackSender, authorization: Parameters
) -> None:
    amounts = {"payment_amount": "354.99", "net_payment_amount": "350.00"}
    message = authorization | amounts
    series_by_title = single_value_series(stack)
    initial_values = read_metrics(stack)
    # A retried callback counts once.
    assert sender.deliver_until_acknowledged("authorize", message, "json", retry_interval=0.1)[-1].accepted
    for _ in range(3):
        deliveries = sender.deliver_until_acknowledged(
            "confirm", build_confirmation(message), "json", retry_interval=0.1
        )
        assert deliveries[-1].accepted

    final_values = read_metrics(stack)
    increases = {
        label: Decimal(str(final_values.overall(series))) - Decimal(str(initial_values.overall(series)))
        for label, series in series_by_title.items()
    }
    assert round(increases["Confirmed, USD"], 2) == Decimal(amounts["payment_amount"])
    assert [int(increases[label]) for label in ("Paid", "Accepted", "Declined")] == [1, 1, 0]
    assert final_values.overall(series_by_title["Slowest, % of 10 s"]) > 0


@pytest.mark.full
def test_dashboard_image_size_below_maximum(stack: Stack) -> None:
    image = render_dashboard(stack)

    assert image.startswith(PNG)
    assert len(image) < MAX_IMAGE_BYTES


def test_alarms_deployed_with_action_and_stack_dimension(stack: Stack) -> None:
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    alarm_metrics = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "PayNearMe"}
    assert {
        "CallbackFailed",
        "ResponseBudgetUsedPercent",
        "AuthenticationFailed",
        "Anomaly",
        "PolicyInvalid",
    } <= alarm_metrics
    assert all(len(alarm["AlarmActions"]) == 1 for alarm in alarms)
    service = {"Name": "service", "Value": stack.stack_name}
    assert all(service in alarm["Dimensions"] for alarm in alarms if alarm["Namespace"] == "PayNearMe")
