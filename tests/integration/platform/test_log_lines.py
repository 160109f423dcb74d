"""The log line of an invocation: identifiers, reasons and locations, and no personal data or secrets."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from paynearme.client.paynearme_client import PayNearMeClient
from tests.support.callback_fixtures import CUSTOMER, SITES, authorization, confirmation
from tests.support.dynamodb_stub import raise_in_table
from tests.support.harness import CapturedOutput, LambdaFunction
from tests.support.message_fixtures import valid_guaranteed_ach_request, valid_smart_token_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

MARKER = "zq7marker7qz"
MESSAGES = {"authorize": authorization, "confirm": confirmation, "get_smart_token": valid_smart_token_request}


@pytest.mark.parametrize("message", [authorization, confirmation])
def test_log_line_of_callback_contains_identifiers_only(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, message: Callable[..., dict[str, str]]
) -> None:
    reply = {"agent_name": MARKER, "customer_name": MARKER, "tax_id_pii": MARKER, "payment_bank_name": MARKER}
    parameters = message(**reply)

    cold_start("authorize" if message is authorization else "confirm")(parameters)

    [line] = captured_output.logs()
    for name in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
        assert line[name] == parameters[name]
    for forbidden_text in (MARKER, parameters["signature"], CUSTOMER, *(site["secret"] for site in SITES.values())):
        assert forbidden_text not in captured_output.text()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"site_identifier": "S1", "secret": "x"}, "unknown_site"),
        ({"version": "2.0"}, "unsupported_version"),
        ({"secret": "x"}, "invalid_signature"),
        ({"timestamp": "1"}, "stale_timestamp"),
    ],
)
def test_auth_failure_reason_logged_and_not_returned(
    authorize: LambdaFunction, captured_output: CapturedOutput, changes: dict[str, Any], reason: str
) -> None:
    response = authorize(authorization(**changes))

    [line] = captured_output.logs()
    assert line["auth_failure"] == reason
    assert reason not in response.body


def test_invalid_parameters_logged_by_name_without_value(
    confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm(confirmation(status=None, test=MARKER))

    [line] = captured_output.logs()
    assert line["invalid_parameters"] == ["status", "test"]
    assert MARKER not in captured_output.text()


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("name", MESSAGES)
def test_internal_error_logged_with_type_and_location_only(
    cold_start: Callable[[str], LambdaFunction],
    monkeypatch: pytest.MonkeyPatch,
    captured_output: CapturedOutput,
    name: str,
) -> None:
    def raise_broken_error(*_: object) -> None:
        raise BrokenError(MARKER) from ValueError(MARKER)

    raise_in_table(monkeypatch, raise_broken_error)
    monkeypatch.setattr(PayNearMeClient, "get_smart_token", raise_broken_error)
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", next(iter(SITES)))
    cold_start(name)(MESSAGES[name]())

    [line] = captured_output.logs()
    assert line["error"] == "BrokenError"
    assert any("raise_broken_error" in frame for frame in line["error_location"])
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize("status", [200, 401, 422, 500])
def test_smart_token_log_contains_no_pii_or_secrets(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, captured_output: CapturedOutput, status: int
) -> None:
    request = valid_guaranteed_ach_request(flow_pay_url=f"app://{MARKER}", signature=MARKER)
    pii = [value for name, value in request.items() if name.endswith("_pii")]
    reply = {"status": "error", "response_code": "1", "errors": [*pii, MARKER]}
    if status != 200:
        paynearme.default_reply = paynearme.replying(status, reply)
    assert get_smart_token(request).status == (502 if status in (401, 500) else status)

    smart_tokens = [SAMPLE_REPLY["orders"][0][name] for name in ("secure_smart_token", "secure_smart_link")]
    secrets = [paynearme.sent[0]["signature"], *(site["secret"] for site in SITES.values())]
    assert captured_output.logs()
    assert not [text for text in [*pii, *smart_tokens, *secrets, MARKER, "_pii"] if text in captured_output.text()]


def test_duration_of_invocation_logged_in_milliseconds(
    authorize: LambdaFunction, captured_output: CapturedOutput
) -> None:
    started = time.perf_counter()
    authorize(authorization())
    elapsed_ms = (time.perf_counter() - started) * 1000

    assert 0 < captured_output.logs()[0]["duration_ms"] <= elapsed_ms + 0.1
