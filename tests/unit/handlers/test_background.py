"""Background invocations write one log line, and their errors contain no part of the event."""

import json
import traceback
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from paynearme.errors import InvocationFailedError, LedgerUnavailableError
from paynearme.handlers.background import background_handler
from paynearme.platform import observability

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
MARKER = "zq7marker7qz"
CONTEXT = SimpleNamespace(aws_request_id="request-1")


@pytest.fixture(autouse=True)
def _reset_observability(monkeypatch: pytest.MonkeyPatch) -> None:
    for handler in observability.logger.handlers:
        monkeypatch.setattr(handler, "stream", SimpleNamespace(write=print, flush=lambda: None))
    observability.reset()


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the log lines and the lines of metrics."""
    log_lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    return [line for line in log_lines if "_aws" not in line], [line for line in log_lines if "_aws" in line]


def test_background_handler_receives_event_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    @background_handler("sweep_unconfirmed", clock=lambda: NOW)
    def handler(event: Any, now: datetime) -> None:
        calls.append((event, now))

    handler({"Records": [MARKER]}, CONTEXT)

    assert calls == [({"Records": [MARKER]}, NOW)]
    [line], [metrics] = lines(capsys)
    assert (line["operation"], line["status"], line["request_id"]) == ("sweep_unconfirmed", 200, "request-1")
    assert MARKER not in json.dumps(line)
    assert metrics["operation"] == "sweep_unconfirmed"
    assert "InternalError" not in metrics


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError(MARKER), None),
        (KeyError(MARKER), ValueError(MARKER)),
        (LedgerUnavailableError(MARKER), TimeoutError(MARKER)),
    ],
    ids=["internal error", "with a cause", "unavailable"],
)
def test_background_handler_error_raised_and_logged_without_text(
    capsys: pytest.CaptureFixture[str], error: Exception, cause: Exception | None
) -> None:
    @background_handler("sweep_unconfirmed")
    def handler(event: Any, now: datetime) -> None:
        assert now.tzinfo is UTC
        if event:
            raise error from cause

    with pytest.raises(InvocationFailedError) as exc_info:
        handler({"text": MARKER}, CONTEXT)

    # Lambda logs the error with its causes.
    traceback_text = "".join(traceback.format_exception(exc_info.value))
    assert MARKER not in traceback_text
    assert (exc_info.value.__cause__, exc_info.value.__context__) == (None, None)
    [line], [metrics] = lines(capsys)
    assert (line["level"], line["status"], line["error"]) == ("ERROR", 500, type(error).__name__)
    assert line["error_causes"] == ([type(cause).__name__] if cause else [])
    assert line["error_location"]
    assert MARKER not in json.dumps(line)
    metric = "LedgerUnavailable" if isinstance(error, LedgerUnavailableError) else "InternalError"
    assert metrics[metric] == 1

    handler({}, CONTEXT)

    # The next invocation has its own log line.
    [line], [metrics] = lines(capsys)
    assert "error" not in line
    assert not {"InternalError", "LedgerUnavailable"} & metrics.keys()
