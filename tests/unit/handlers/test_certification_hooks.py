from typing import Any

import pytest

from paynearme.handlers.callback_response import callback_response
from paynearme.handlers.certification_hooks import SimulatedResponse, apply_hook, parse_annotation
from paynearme.platform import observability
from paynearme.protocol.callbacks import Confirmation, ConfirmationResponse
from paynearme.protocol.parsing import read_message
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import valid_confirmation

ACKNOWLEDGEMENT = callback_response(ConfirmationResponse(pnm_order_identifier="80080175585"), "3.0", "json")


def confirmation_with_hook(annotation: str) -> Confirmation:
    return read_message(Confirmation, valid_confirmation(site_order_annotation=annotation))


@pytest.fixture
def observability_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the recorded log fields and metrics."""
    recorded: list[Any] = []
    monkeypatch.setattr(observability, "add_log_fields", lambda **fields: recorded.append(fields))
    monkeypatch.setattr(observability, "add_metric", recorded.append)
    return recorded


@pytest.mark.parametrize(
    "annotation",
    [
        *(None, "", "a gift", "confirm", "confirm_delay", "confirm_delay_", "confirm_delay_x"),
        *("confirm_delay_-1", "confirm_delay_1.5", "confirm_delay_\u0661", f"confirm_delay_{'9' * 5000}"),
        *("confirm_delay_1 ", " confirm_blank", "confirm_blank\n", "CONFIRM_BLANK", "please confirm_redirect"),
    ],
    ids=lambda annotation: repr(annotation)[:30],
)
def test_certification_hook_other_annotation_ignored(annotation: str | None) -> None:
    assert parse_annotation(annotation) is None


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("confirm_bad_xml", 200, "<payment_confirmation_response"),
        ("confirm_blank", 200, ""),
        ("confirm_redirect", 302, ""),
    ],
)
def test_certification_hook_replaces_response(name: str, status: int, body: str) -> None:
    hook = parse_annotation(name)
    original = ACKNOWLEDGEMENT.copy()

    assert hook == SimulatedResponse(name)
    response = hook.apply(ACKNOWLEDGEMENT)

    assert (response["statusCode"], response["body"]) == (status, body)
    location = response["headers"].get("Location", "")
    assert location.removesuffix("/").endswith(".invalid") is (name == "confirm_redirect")
    assert original == ACKNOWLEDGEMENT


def test_certification_hook_delay_returns_original_response(clock: Clock, observability_calls: list[Any]) -> None:
    for seconds in (0, 9999):
        assert parse_annotation(f"confirm_delay_{seconds}") == SimulatedResponse("confirm_delay", seconds)

    response = apply_hook(confirmation_with_hook("confirm_delay_3"), clock.deadline(6.5), ACKNOWLEDGEMENT)

    assert response == ACKNOWLEDGEMENT
    assert clock.sleeps == [3]
    assert observability_calls == [{"certification_hook": "confirm_delay"}, "CertificationHookApplied"]


@pytest.mark.parametrize(("elapsed_seconds", "sleep"), [(0.6, 5.9), (7, 0)])
def test_certification_hook_delay_beyond_deadline_blank_response(
    clock: Clock, observability_calls: list[Any], elapsed_seconds: float, sleep: float
) -> None:
    deadline = clock.deadline(6.5)
    clock.advance(elapsed_seconds)

    response = apply_hook(confirmation_with_hook("confirm_delay_6"), deadline, ACKNOWLEDGEMENT)

    assert (response["statusCode"], response["body"]) == (200, "")
    assert clock.sleeps == [pytest.approx(sleep)]


def test_certification_hook_absent_response_unchanged(clock: Clock, observability_calls: list[Any]) -> None:
    assert apply_hook(confirmation_with_hook("a gift"), clock.deadline(6.5), ACKNOWLEDGEMENT) == ACKNOWLEDGEMENT
    assert clock.sleeps == observability_calls == []
