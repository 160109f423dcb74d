"""PayNearMe's certification hooks: what is told is recorded as always, only the answer misbehaves."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from paynearme.deadline import Deadline
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Function, Stored, Traffic, Written
from tests.integration.signed_callbacks import (
    CUSTOMER,
    SITE_OF_2_0,
    TRANSPORTS,
    authorization,
    confirmation,
    site_changes,
)

POSTED = {CUSTOMER: Decimal("350.00")}
STATUSES = {
    "confirm_bad_xml": 200,
    "confirm_blank": 200,
    "confirm_delay_2": 200,
    "confirm_delay_60": 200,
    "confirm_redirect": 302,
}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collects the seconds of every wait. Nobody waits, but a wait takes its time by the function's clock."""
    waited: list[float] = []

    class Patient:
        @staticmethod
        def after(seconds: float) -> Deadline:
            return replace(Deadline.after(seconds), sleep=waited.append)

    monkeypatch.setattr("paynearme.gateway.Deadline", Patient)
    passes = time.perf_counter
    monkeypatch.setattr(
        "paynearme.gateway.time", SimpleNamespace(perf_counter=lambda: passes() + sum(waited))
    )
    return waited


@pytest.fixture
def rehearsing(
    monkeypatch: pytest.MonkeyPatch, cold_start: Callable[[str], Function], waits: list[float]
) -> Function:
    """The function that takes confirmations, with the hooks on."""
    monkeypatch.setenv("CERTIFICATION_HOOKS", "true")
    return cold_start("confirm")


def told(annotation: str, **changes: str | None) -> dict[str, str]:
    return confirmation(site_order_annotation=annotation, **changes)


@pytest.mark.parametrize("word", STATUSES)
def test_the_money_is_posted_once_however_often_the_answer_misbehaves(
    rehearsing: Function, stored: Stored, word: str
) -> None:
    answers = [rehearsing(told(word), transport) for transport in TRANSPORTS.values() for _ in range(2)]

    assert {answer.status for answer in answers} == {STATUSES[word]}
    assert len({answer.body for answer in answers}) == 1
    assert stored.balances() == POSTED
    assert stored.payment()["outcome"] == "payment"
    assert stored.anomalies() == set()


def test_a_delay_is_waited_for_and_then_acknowledged_each_time(
    rehearsing: Function, confirm: Function, waits: list[float]
) -> None:
    usual = confirm(confirmation())

    assert [rehearsing(told("confirm_delay_2")) for _ in range(2)] == [usual, usual]
    assert waits == [2, 2]


def test_a_delay_beyond_the_time_for_an_answer_is_not_acknowledged(
    rehearsing: Function, waits: list[float]
) -> None:
    assert rehearsing(told("confirm_delay_60")).body == ""
    [waited] = waits
    assert 0 < waited < ANSWER_WITHIN_SECONDS


@pytest.mark.parametrize("word", ["confirm_blank", "confirm_redirect"])
def test_an_answer_without_a_body_acknowledges_nothing(rehearsing: Function, word: str) -> None:
    assert rehearsing(told(word)).body == ""


def test_a_bad_answer_is_no_acknowledgement_for_a_site_that_reads_xml_either(
    rehearsing: Function, confirm: Function, stored: Stored
) -> None:
    site = site_changes(SITE_OF_2_0)
    bad = rehearsing(told("confirm_bad_xml", **site))

    assert bad.content_type.startswith("application/xml")
    assert ">" not in bad.body
    assert bad.body != confirm(confirmation(**site)).body
    assert stored.balances() == POSTED


@pytest.mark.parametrize("word", STATUSES)
def test_where_the_hooks_are_off_an_annotation_changes_nothing(
    confirm: Function, stored: Stored, waits: list[float], written: Written, word: str
) -> None:
    usual = confirm(confirmation())

    assert confirm(told(word)) == usual
    assert waits == []
    assert written.counted("CertificationHookApplied") == 0
    assert stored.balances() == POSTED


def test_a_rehearsal_is_logged_and_counted_and_is_no_failure(rehearsing: Function, written: Written) -> None:
    for word in STATUSES:
        rehearsing(told(word))

    logs = written.logs()
    names = [word.removesuffix("_2").removesuffix("_60") for word in STATUSES]
    assert [line["certification_hook"] for line in logs] == names
    assert {line["level"] for line in logs} == {"INFO"}
    assert not [line for line in logs if "error" in line]
    assert written.counted("CertificationHookApplied") == len(STATUSES)
    assert written.counted("PaymentConfirmed") == 1
    assert {name for line in written.metrics() for name in line if "Fail" in name or "Unav" in name} == set()


def test_what_is_waited_for_is_not_counted_as_time_that_we_took(
    rehearsing: Function, written: Written
) -> None:
    rehearsing(told("confirm_delay_6"))

    assert written.logs()[-1]["duration_ms"] < 6000


@pytest.mark.parametrize("word", STATUSES)
def test_a_message_that_is_not_authentic_rehearses_nothing(
    rehearsing: Function, stored: Stored, waits: list[float], word: str
) -> None:
    assert rehearsing(told(word, secret="somebody-elses")).status == 401
    assert rehearsing(confirmation() | {"site_order_annotation": word}).status == 401
    assert waits == []
    assert stored.everything() == []


def test_what_cannot_be_recorded_is_answered_as_such_and_not_rehearsed(
    rehearsing: Function, traffic: Traffic, written: Written
) -> None:
    traffic.refused["TransactWriteItems"] = RuntimeError()

    assert rehearsing(told("confirm_blank")).status == 503
    assert written.counted("CertificationHookApplied") == 0


@pytest.mark.parametrize("word", STATUSES)
def test_an_authorization_of_such_an_order_is_answered_as_any_other(
    monkeypatch: pytest.MonkeyPatch, cold_start: Callable[[str], Function], waits: list[float], word: str
) -> None:
    monkeypatch.setenv("CERTIFICATION_HOOKS", "true")
    authorize = cold_start("authorize")

    assert authorize(authorization(site_order_annotation=word)).fields["accept_payment"] == "yes"
    assert waits == []
