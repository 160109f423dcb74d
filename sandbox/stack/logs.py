"""Read the logs of functions and APIs from the emulator's CloudWatch Logs."""

from collections.abc import Iterator
from typing import Any

_MAX_EVENTS = 10_000


def groups_of(logs: Any) -> list[str]:
    """Return the names of all log groups. ``logs`` is boto3's client of CloudWatch Logs."""
    pages = logs.get_paginator("describe_log_groups").paginate()
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def messages_in(logs: Any, group: str) -> Iterator[str]:
    """Yield each message of a log group once, the oldest first.

    The emulator returns the first 10,000 events without a token for the others. Therefore each request starts at the
    last timestamp of the previous one.
    """
    since, yielded = 0, set[tuple[str, int, str]]()
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=since, limit=_MAX_EVENTS)["events"]
        for event in events:
            key = (event["logStreamName"], event["timestamp"], event["message"])
            if key not in yielded:
                yield event["message"]
        if len(events) < _MAX_EVENTS:
            return
        since = events[-1]["timestamp"]
        yielded = {(e["logStreamName"], e["timestamp"], e["message"]) for e in events if e["timestamp"] == since}
