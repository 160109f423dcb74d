"""The picture of the dashboard is drawn from what the deployed functions have counted."""

from decimal import Decimal

from local.callbacks import CallbackSender
from local.dashboard import measured_on, picture_of
from local.dashboard_data import Series, panels_of
from local.drive import confirmation_of
from local.events import Parameters
from local.stack import Stack

LARGEST = 200_000
PNG = b"\x89PNG\r\n"


def at_a_glance(stack: Stack) -> dict[str, Series]:
    """Return what the first widget of the deployed dashboard shows, by label."""
    body = stack.client("cloudwatch").get_dashboard(DashboardName=stack.stack_name)["DashboardBody"]
    return {series.label: series for series in panels_of(body)[0].series}


def test_money_decisions_and_outcomes_are_on_the_dashboard_to_the_cent(
    stack: Stack, sender: CallbackSender, authorization: Parameters
) -> None:
    paid = {"payment_amount": "354.99", "net_payment_amount": "350.00"}
    asked = authorization | paid
    shown = at_a_glance(stack)
    before = measured_on(stack)
    # However often it takes: each is counted once.
    assert sender.deliver_until_acknowledged("authorize", asked, "json", minute=0.1)[-1].accepted
    for _ in range(3):
        told = sender.deliver_until_acknowledged("confirm", confirmation_of(asked), "json", minute=0.1)
        assert told[-1].accepted

    after = measured_on(stack)
    grown = {
        label: Decimal(str(after.whole(series))) - Decimal(str(before.whole(series)))
        for label, series in shown.items()
    }
    assert round(grown["Money in, USD"], 2) == Decimal(paid["payment_amount"])
    assert [int(grown[label]) for label in ("Paid", "Accepted", "Declined")] == [1, 1, 0]
    assert after.whole(shown["Slowest, % of 10 s"]) > 0


def test_the_dashboard_is_drawn_small_enough_for_a_page(stack: Stack) -> None:
    picture = picture_of(stack)

    assert picture.startswith(PNG)
    assert len(picture) < LARGEST


def test_the_alarms_are_deployed_and_listen_to_this_stack(stack: Stack) -> None:
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    ours = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "PayNearMe"}
    assert {"CallbackFailed", "ResponseBudgetUsedPercent", "AuthenticationFailed", "Anomaly", "PolicyInvalid"} <= ours
    assert all(len(alarm["AlarmActions"]) == 1 for alarm in alarms)
    service = {"Name": "service", "Value": stack.stack_name}
    assert all(service in alarm["Dimensions"] for alarm in alarms if alarm["Namespace"] == "PayNearMe")
