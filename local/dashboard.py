"""The dashboard of a running local stack, as an image: the widgets that are deployed, and its own data."""

import time

from local.dashboard_data import Measured, panels_of
from local.dashboard_drawing import draw
from local.logs import groups_of, messages_in
from local.stack import Stack

_LETTERS = "ApproximateNumberOfMessages"
_LETTERS_IN_CLOUDWATCH = "ApproximateNumberOfMessagesVisible"


def picture_of(stack: Stack) -> bytes:
    """Return the dashboard of ``stack`` as a PNG. Raises ``RuntimeError`` where nothing was measured yet."""
    cloudwatch = stack.client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=stack.stack_name)["DashboardBody"]
    measured = measured_on(stack)
    try:
        return draw(panels_of(body), measured, stack.stack_name)
    except ValueError as error:
        raise RuntimeError("nothing was measured yet: send some callbacks first") from error


def measured_on(stack: Stack) -> Measured:
    """Return what the functions of ``stack`` have written as metrics, and how many dead letters there are.

    The emulator makes no metrics of the embedded format, and none of a queue.
    """
    measured = Measured()
    logs = stack.client("logs")
    for group in groups_of(logs):
        measured.read(line for message in messages_in(logs, group) for line in message.splitlines())
    sqs = stack.client("sqs")
    answer = sqs.get_queue_attributes(QueueUrl=stack.dead_letters_url, AttributeNames=[_LETTERS])
    letters = int(answer["Attributes"][_LETTERS])
    queue = {"QueueName": stack.dead_letters_url.rpartition("/")[2]}
    measured.add("AWS/SQS", _LETTERS_IN_CLOUDWATCH, queue, time.time(), letters)
    return measured
