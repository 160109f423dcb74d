"""The dashboard shows the metrics of the deployed functions."""

from decimal import Decimal

from sandbox.dashboard.image import read_metrics
from sandbox.dashboard.metrics import Series, panels_of
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation
from sandbox.stack.stack import Stack


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
    assert sender.deliver("authorize", message, "json").accepted
    for _ in range(3):
        assert sender.deliver("confirm", build_confirmation(message), "json").accepted

    final_values = read_metrics(stack)
    increases = {
        label: Decimal(str(final_values.overall(series))) - Decimal(str(initial_values.overall(series)))
        for label, series in series_by_title.items()
    }
    assert round(increases["Confirmed, USD"], 2) == Decimal(amounts["payment_amount"])
    assert [int(increases[label]) for label in ("Paid", "Accepted", "Declined")] == [1, 1, 0]
    assert final_values.overall(series_by_title["Slowest, % of 10 s"]) > 0
