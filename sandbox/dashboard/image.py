"""Render the deployed dashboard of a running local stack as an image."""

import time

from sandbox.dashboard.drawing import draw
from sandbox.dashboard.metrics import MetricValues, panels_of
from sandbox.stack.logs import groups_of, messages_in
from sandbox.stack.stack import Stack


def render_dashboard(stack: Stack) -> bytes:
    """Return the dashboard of ``stack`` as a PNG image. Raises ``RuntimeError`` without any metric."""
    cloudwatch = stack.client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=stack.stack_name)["DashboardBody"]
    metrics = read_metrics(stack)
    try:
        return draw(panels_of(body), metrics, stack.stack_name)
    except ValueError as error:
        raise RuntimeError("the stack has no metrics: send some callbacks first") from error


def read_metrics(stack: Stack) -> MetricValues:
    """Return the metrics of the functions' logs, and the size of the dead-letter queue.

    The emulator does not create metrics from the embedded metric format, and none for a queue.
    """
    metrics = MetricValues()
    logs = stack.client("logs")
    for group in groups_of(logs):
        metrics.read(line for message in messages_in(logs, group) for line in message.splitlines())
    sqs = stack.client("sqs")
    name, url = "ApproximateNumberOfMessages", stack.dead_letter_queue_url
    message_count = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
    metrics.add("AWS/SQS", f"{name}Visible", {"QueueName": url.rpartition("/")[2]}, time.time(), message_count)
    return metrics
