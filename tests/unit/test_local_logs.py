"""The logs are read to their end, each message once, although the emulator gives no token for the rest."""

from typing import Any

import pytest

from local import logs
from local.logs import messages_in


class Emulator:
    """Gives the first events from a time on, like the emulator."""

    def __init__(self, *moments: int) -> None:
        self.events: list[dict[str, Any]] = [
            {"timestamp": moment, "logStreamName": "s", "message": str(number)}
            for number, moment in enumerate(moments)
        ]
        self.looks = 0

    def filter_log_events(self, *, logGroupName: str, startTime: int, limit: int) -> dict[str, Any]:  # noqa: N803 # AWS's names
        self.looks += 1
        return {"events": [event for event in self.events if event["timestamp"] >= startTime][:limit]}


@pytest.mark.parametrize("moments", [(), (1,), (1, 2, 3), (1, 1, 2, 2, 3, 3), (1, 2, 2, 2, 3), range(20)])
def test_each_message_is_given_once_and_in_order(monkeypatch: pytest.MonkeyPatch, moments: range) -> None:
    monkeypatch.setattr(logs, "_MOST_AT_ONCE", 4)
    emulator = Emulator(*moments)

    assert list(messages_in(emulator, "group")) == [event["message"] for event in emulator.events]


def test_what_fits_into_one_look_takes_no_second() -> None:
    emulator = Emulator(1, 2, 3)
    list(messages_in(emulator, "group"))

    assert emulator.looks == 1
