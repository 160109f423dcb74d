from typing import Any

import pytest

from sandbox.stack import logs
from sandbox.stack.logs import messages_in


class LogsStub:
    """Return the first events from a start time on, like the emulator."""

    def __init__(self, *timestamps: int) -> None:
        self.events: list[dict[str, Any]] = [
            {"timestamp": timestamp, "logStreamName": "s", "message": str(number)}
            for number, timestamp in enumerate(timestamps)
        ]
        self.read_count = 0

    def filter_log_events(self, *, logGroupName: str, startTime: int, limit: int) -> dict[str, Any]:  # noqa: N803 # AWS's names
        self.read_count += 1
        return {"events": [event for event in self.events if event["timestamp"] >= startTime][:limit]}


@pytest.mark.parametrize("timestamps", [(), (1,), (1, 2, 3), (1, 1, 2, 2, 3, 3), (1, 2, 2, 2, 3), range(20)])
def test_log_messages_returned_once_in_order(monkeypatch: pytest.MonkeyPatch, timestamps: range) -> None:
    monkeypatch.setattr(logs, "_MAX_EVENTS", 4)
    logs_stub = LogsStub(*timestamps)

    assert list(messages_in(logs_stub, "group")) == [event["message"] for event in logs_stub.events]
