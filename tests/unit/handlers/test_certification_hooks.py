from typing import Any

import pytest

from paynearme.handlers.callback_response import callback_response
from paynearme.handlers.certification_hooks import SimulatedResponse, apply_hook, parse_annotation
from paynearme.platform import observability
from paynearme.platform.http_response import HttpResponse
from paynearme.protocol.callbacks import Confirmation, ConfirmationResponse
from paynearme.protocol.parsing import read_message
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import valid_confirmation

REPLACING_HOOKS = ("confirm_bad_xml", "confirm_blank", "confirm_redirect")


def acknowledgement(response_format: str = "json") -> HttpResponse:
    return callback_response(ConfirmationResponse(pnm_order_identifier="80080175585"), "3.0", response_format)


def confirmation_with_hook(annotation: str | None) -> Confirmation:
    return read_message(Confirmation, valid_confirmation(site_order_annotation=annotation))


@pytest.fixture
def observability_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the recorded log fields and metrics."""
    recorded: list[Any] = []
    monkeypatch.setattr(observability, "add_log_fields", lambda **fields: recorded.append(fields))
    monkeypatch.setattr(observability, "add_metric", recorded.append)
    return recorded


@pytest.mark.parametrize("seconds", [0, 1, 12, 9999])
def test_certification_hook_delay_parsed_in_seconds(seconds: int) -> None:
    assert parse_annotation(f"confirm_delay_{seconds}") == SimulatedResponse("confirm_delay", seconds)


@pytest.mark.parametrize("name", REPLACING_HOOKS)
def test_certification_hook_names_parsed(name: str) -> None:
    assert parse_annotation(name) == SimulatedResponse(name)


@pytest.mark.parametrize(
    "annotation",
    [
        *(None, "", "a gift", "confirm", "confirm_delay", "confirm_delay_", "confirm_delay_x"),
        *("confirm_delay_-1", "confirm_delay_1.5", "confirm_delay_\u0661", f"confirm_delay_{'9' * 5000}"),
        *("confirm_delay_1 ", " confirm_blank", "confirm_blank\n", "CONFIRM_BLANK", "please confirm_redirect"),
        "confirm_anything",
    ],
    ids=lambda annotation: repr(annotation)[:30],
)
def test_certification_hook_other_annotation_ignored(annotation: str | None) -> None:
    assert parse_annotation(annotation) is None


@pytest.mark.parametrize("response_format", ["json", "xml"])
def test_certification_hook_bad_xml_malformed_in_each_format(response_format: str) -> None:
    malformed = SimulatedResponse("confirm_bad_xml").apply(acknowledgement(response_format))

    assert malformed["statusCode"] == 200
    assert malformed["body"]
    assert ">" not in malformed["body"]
    assert "{" not in malformed["body"]


def test_certification_hook_blank_response_has_empty_body() -> None:
    assert SimulatedResponse("confirm_blank").apply(acknowledgement()) == {**acknowledgement(), "body": ""}


def test_certification_hook_redirect_to_invalid_host() -> None:
    response = SimulatedResponse("confirm_redirect").apply(acknowledgement())

    assert (response["statusCode"], response["body"]) == (302, "")
    assert response["headers"]["Location"].removesuffix("/").endswith(".invalid")


@pytest.mark.parametrize("name", REPLACING_HOOKS)
def test_certification_hook_original_response_not_modified(name: str) -> None:
    response = acknowledgement()
    SimulatedResponse(name).apply(response)
    assert response == acknowledgement()


def test_certification_hook_delay_returns_original_response(clock: Clock, observability_calls: list[Any]) -> None:
    assert (
        apply_hook(confirmation_with_hook("confirm_delay_3"), clock.deadline(6.5), acknowledgement())
        == acknowledgement()
    )

    assert clock.sleeps == [3]
    assert observability_calls == [{"certification_hook": "confirm_delay"}, "CertificationHookApplied"]


@pytest.mark.parametrize(("annotation", "elapsed_seconds"), [("confirm_delay_9999", 0.5), ("confirm_delay_6", 0.6)])
def test_certification_hook_delay_beyond_deadline_blank_response(
    clock: Clock, observability_calls: list[Any], annotation: str, elapsed_seconds: float
) -> None:
    deadline = clock.deadline(6.5)
    clock.advance(elapsed_seconds)

    response = apply_hook(confirmation_with_hook(annotation), deadline, acknowledgement())

    assert (response["statusCode"], response["body"]) == (200, "")
    assert clock.sleeps == [pytest.approx(6.5 - elapsed_seconds)]


def test_certification_hook_delay_after_deadline_no_wait(clock: Clock, observability_calls: list[Any]) -> None:
    deadline = clock.deadline(1)
    clock.advance(2)

    assert apply_hook(confirmation_with_hook("confirm_delay_1"), deadline, acknowledgement())["body"] == ""
    assert clock.sleeps == [0]


@pytest.mark.parametrize("annotation", [None, "a gift"])
def test_certification_hook_absent_response_unchanged(
    clock: Clock, observability_calls: list[Any], annotation: str | None
) -> None:
    assert apply_hook(confirmation_with_hook(annotation), clock.deadline(6.5), acknowledgement()) == acknowledgement()
    assert clock.sleeps == []
    assert observability_calls == []
