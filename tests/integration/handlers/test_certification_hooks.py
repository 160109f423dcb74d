"""PayNearMe's certification hooks: the confirmation is recorded, and the response is faulty."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from paynearme.platform.deadline import Deadline
from tests.support.callback_fixtures import CUSTOMER, SITE_OF_2_0, TRANSPORTS, authorization, confirmation, site_changes
from tests.support.harness import (
    RESPONSE_TIMEOUT_SECONDS,
    AwsCallRecorder,
    CapturedOutput,
    LambdaFunction,
    LedgerFixture,
)

POSTED_BALANCES = {CUSTOMER: Decimal("350.00")}
STATUS_BY_ANNOTATION = {
    "confirm_bad_xml": 200,
    "confirm_blank": 200,
    "confirm_delay_2": 200,
    "confirm_delay_60": 200,
    "confirm_redirect": 302,
}


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the sleeps, which only advance the function's clock."""
    recorded_delays: list[float] = []

    class DelayRecorder:
        @staticmethod
        def after(seconds: float) -> Deadline:
            return replace(Deadline.after(seconds), sleep=recorded_delays.append)

    monkeypatch.setattr("paynearme.handlers.callback.Deadline", DelayRecorder)
    perf_counter = time.perf_counter
    monkeypatch.setattr(
        "paynearme.handlers.callback.time", SimpleNamespace(perf_counter=lambda: perf_counter() + sum(recorded_delays))
    )
    return recorded_delays


@pytest.fixture
def confirm_with_hooks(
    monkeypatch: pytest.MonkeyPatch, cold_start: Callable[[str], LambdaFunction], delays: list[float]
) -> LambdaFunction:
    """Return the ``confirm`` function with the hooks enabled."""
    monkeypatch.setenv("CERTIFICATION_HOOKS", "true")
    return cold_start("confirm")


def hook_message(annotation: str, **changes: str | None) -> dict[str, str]:
    return confirmation(site_order_annotation=annotation, **changes)


@pytest.mark.parametrize("annotation", STATUS_BY_ANNOTATION)
def test_certification_hook_duplicates_post_payment_once(
    confirm_with_hooks: LambdaFunction, ledger_table: LedgerFixture, annotation: str
) -> None:
    responses = [
        confirm_with_hooks(hook_message(annotation), transport) for transport in TRANSPORTS.values() for _ in range(2)
    ]

    assert {response.status for response in responses} == {STATUS_BY_ANNOTATION[annotation]}
    assert len({response.body for response in responses}) == 1
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == set()


def test_certification_hook_delay_acknowledged_each_time(
    confirm_with_hooks: LambdaFunction, confirm: LambdaFunction, delays: list[float]
) -> None:
    expected = confirm(confirmation())

    assert [confirm_with_hooks(hook_message("confirm_delay_2")) for _ in range(2)] == [expected, expected]
    assert delays == [2, 2]


def test_certification_hook_delay_past_deadline_empty_response(
    confirm_with_hooks: LambdaFunction, delays: list[float]
) -> None:
    assert confirm_with_hooks(hook_message("confirm_delay_60")).body == ""
    [delay] = delays
    assert 0 < delay < RESPONSE_TIMEOUT_SECONDS


@pytest.mark.parametrize("annotation", ["confirm_blank", "confirm_redirect"])
def test_certification_hook_blank_or_redirect_has_empty_body(
    confirm_with_hooks: LambdaFunction, annotation: str
) -> None:
    assert confirm_with_hooks(hook_message(annotation)).body == ""


def test_certification_hook_bad_xml_is_malformed_for_xml_site(
    confirm_with_hooks: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    site = site_changes(SITE_OF_2_0)
    bad_response = confirm_with_hooks(hook_message("confirm_bad_xml", **site))

    assert bad_response.content_type.startswith("application/xml")
    assert ">" not in bad_response.body
    assert bad_response.body != confirm(confirmation(**site)).body
    assert ledger_table.balances() == POSTED_BALANCES


@pytest.mark.parametrize("annotation", STATUS_BY_ANNOTATION)
def test_certification_hooks_disabled_annotation_has_no_effect(
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    delays: list[float],
    captured_output: CapturedOutput,
    annotation: str,
) -> None:
    expected = confirm(confirmation())

    assert confirm(hook_message(annotation)) == expected
    assert delays == []
    assert captured_output.metric_total("CertificationHookApplied") == 0
    assert ledger_table.balances() == POSTED_BALANCES


def test_certification_hook_logged_and_counted_without_error(
    confirm_with_hooks: LambdaFunction, captured_output: CapturedOutput
) -> None:
    for annotation in STATUS_BY_ANNOTATION:
        confirm_with_hooks(hook_message(annotation))

    logs = captured_output.logs()
    names = [annotation.removesuffix("_2").removesuffix("_60") for annotation in STATUS_BY_ANNOTATION]
    assert [line["certification_hook"] for line in logs] == names
    assert {line["level"] for line in logs} == {"INFO"}
    assert not [line for line in logs if "error" in line]
    assert captured_output.metric_total("CertificationHookApplied") == len(STATUS_BY_ANNOTATION)
    assert captured_output.metric_total("PaymentConfirmed") == 1
    assert {name for line in captured_output.metrics() for name in line if "Fail" in name or "Unav" in name} == set()


def test_certification_hook_delay_not_in_duration(
    confirm_with_hooks: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm_with_hooks(hook_message("confirm_delay_6"))

    assert captured_output.logs()[-1]["duration_ms"] < 6000


@pytest.mark.parametrize("annotation", STATUS_BY_ANNOTATION)
def test_certification_hook_not_applied_if_not_authentic(
    confirm_with_hooks: LambdaFunction, ledger_table: LedgerFixture, delays: list[float], annotation: str
) -> None:
    assert confirm_with_hooks(hook_message(annotation, secret="another")).status == 401
    assert confirm_with_hooks(confirmation() | {"site_order_annotation": annotation}).status == 401
    assert delays == []
    assert ledger_table.all_items() == []


def test_certification_hook_not_applied_if_write_failed(
    confirm_with_hooks: LambdaFunction, aws_calls: AwsCallRecorder, captured_output: CapturedOutput
) -> None:
    aws_calls.request_errors["TransactWriteItems"] = RuntimeError()

    assert confirm_with_hooks(hook_message("confirm_blank")).status == 503
    assert captured_output.metric_total("CertificationHookApplied") == 0


@pytest.mark.parametrize("annotation", STATUS_BY_ANNOTATION)
def test_certification_hook_annotation_authorization_accepted(
    monkeypatch: pytest.MonkeyPatch, cold_start: Callable[[str], LambdaFunction], delays: list[float], annotation: str
) -> None:
    monkeypatch.setenv("CERTIFICATION_HOOKS", "true")
    authorize = cold_start("authorize")

    assert authorize(authorization(site_order_annotation=annotation)).fields["accept_payment"] == "yes"
    assert delays == []
