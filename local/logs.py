"""What functions and APIs have logged, read from the emulator's CloudWatch Logs."""

from collections.abc import Iterator
from typing import Any

_MOST_AT_ONCE = 10_000


def groups_of(logs: Any) -> list[str]:
    """Return the names of all log groups, given boto3's client of CloudWatch Logs."""
    pages = logs.get_paginator("describe_log_groups").paginate()
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def messages_in(logs: Any, group: str) -> Iterator[str]:
    """Yield the messages of a log group, each once, the oldest first.

    The emulator gives the first 10,000 events and no token for the rest, so each look begins where the last
    one ended.
    """
    since, seen = 0, set[tuple[str, int, str]]()
    while True:
        found = logs.filter_log_events(logGroupName=group, startTime=since, limit=_MOST_AT_ONCE)["events"]
        for event in found:
            known = (event["logStreamName"], event["timestamp"], event["message"])
            if known not in seen:
                yield event["message"]
        if len(found) < _MOST_AT_ONCE:
            return
        since = found[-1]["timestamp"]
        seen = {(e["logStreamName"], e["timestamp"], e["message"]) for e in found if e["timestamp"] == since}
