"""PayNearMe's certification hooks: the confirmation is recorded, and the response is faulty."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from paynearme.platform.deadline import Deadline
from tests.support.callback_fixtures import CUSTOMER, TRANSPORTS, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture

POSTED_BALANCES = {CUSTOMER: 350}
STATUS_BY_ANNOTATION = {
    "confirm_bad_xml": 200,
    "confirm_blank": 200,
    "confirm_delay_2": 200,
    "confirm_delay_60": 200,
    "confirm_redirect": 302,
}
for_each_annotation = pytest.mark.parametrize("annotation", STATUS_BY_ANNOTATION)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the sleeps, which alone advance the clock of the log line."""
    recorded_delays: list[float] = []

    class DelayRecorder:
        @staticmethod
        def after(seconds: float) -> Deadline:
            return replace(Deadline.after(seconds), sleep=recorded_delays.append)

    monkeypatch.setattr("paynearme.handlers.callback.Deadline", DelayRecorder)
    monkeypatch.setattr("paynearme.handlers.callback.time", SimpleNamespace(perf_counter=lambda: sum(recorded_delays)))
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


@for_each_annotation
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


@for_each_annotation
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
    confirm_with_hooks: LambdaFunction, captured_output: CapturedOutput, delays: list[float]
) -> None:
    for annotation in STATUS_BY_ANNOTATION:
        confirm_with_hooks(hook_message(annotation))

    logs = captured_output.logs()
    names = [annotation.removesuffix("_2").removesuffix("_60") for annotation in STATUS_BY_ANNOTATION]
    assert [line["certification_hook"] for line in logs] == names
    assert {line["level"] for line in logs} == {"INFO"}
    assert not [line for line in logs if "error" in line]
    # The delay is not part of the duration.
    assert 2 in delays
    assert {line["duration_ms"] for line in logs} == {0}
    assert captured_output.metric_total("CertificationHookApplied") == len(STATUS_BY_ANNOTATION)
    assert captured_output.metric_total("PaymentConfirmed") == 1
    assert {name for line in captured_output.metrics() for name in line if "Fail" in name or "Unav" in name} == set()


@for_each_annotation
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
