from typing import Any

import pytest

from sandbox.stack import logs


class LogsStub:
    """Return the first events from a start time on, like the emulator."""

    def __init__(self, *timestamps: int) -> None:
        self.events: list[dict[str, Any]] = [
            {"timestamp": timestamp, "logStreamName": "s", "message": str(number)}
            for number, timestamp in enumerate(timestamps)
        ]

    def filter_log_events(self, *, logGroupName: str, startTime: int, limit: int) -> dict[str, Any]:  # noqa: N803 # AWS's names
        return {"events": [event for event in self.events if event["timestamp"] >= startTime][:limit]}


@pytest.mark.parametrize("timestamps", [(), (1, 1, 2, 2, 3, 3), (1, 2, 2, 2, 3), range(20)])
def test_log_messages_returned_once_in_order(monkeypatch: pytest.MonkeyPatch, timestamps: range) -> None:
    monkeypatch.setattr(logs, "_MAX_EVENTS", 4)

    messages = list(logs.messages_in(LogsStub(*timestamps), "group"))

    assert messages == [str(number) for number in range(len(timestamps))]
