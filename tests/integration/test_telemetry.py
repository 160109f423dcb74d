import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.events_of_gateway import body_event
from tests.integration.observed import Function, Stored, StoredSites, Written
from tests.integration.paynearme_stub import ANSWERED, PayNearMeStub
from tests.integration.signed_callbacks import CUSTOMER, SITES, authorization, confirmation
from tests.messages import valid_guaranteed_ach_request, valid_smart_token_request

MARKER = "zq7marker7qz"
MESSAGES = {
    "authorize": authorization,
    "confirm": confirmation,
    "get_smart_token": valid_smart_token_request,
}
CALLBACKS = ("authorize", "confirm")
PAID_CENTS = 35499
type Told = tuple[str, dict[str, Any]]


DIMENSIONS = [["service"], ["operation", "service"]]
"""Each metric is there for all operations together, as alarms need it, and for each operation."""


def counted(line: dict[str, Any]) -> dict[str, int]:
    """Return what a line of metrics counts, having checked that CloudWatch can read it."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert directive["Namespace"] == "PayNearMe"
    assert sorted((sorted(names) for names in directive["Dimensions"]), key=len) == DIMENSIONS
    assert line["service"] == "paynearme"
    assert units.pop("Milliseconds") == "Milliseconds"
    assert line["Milliseconds"][0] >= 0
    if line["operation"] in CALLBACKS:
        assert units.pop("ResponseBudgetUsedPercent") == "Percent"
        assert line["ResponseBudgetUsedPercent"] == [pytest.approx(line["Milliseconds"][0] / 100)]
    assert set(units.values()) <= {"Count"}
    return {name: int(sum(line[name])) for name in units}


def a(**changes: Any) -> Told:
    return "authorize", changes


def c(**changes: Any) -> Told:
    return "confirm", changes


def once(*names: str, **numbers: int) -> dict[str, int]:
    """Return each of ``names`` counted once, and what is counted more."""
    return dict.fromkeys(names, 1) | numbers


PAID = {"PaymentConfirmed": 1, "ConfirmedAmountCents": PAID_CENTS}
DECLINED = once("AuthorizationDeclined", "DeclinedAmountNotPositive")

# For each: what was told before, what is told now, and what that counts.
COUNTED: dict[str, tuple[list[Told], Told, dict[str, int]]] = {
    "accepted": ([], a(), once("AuthorizationAccepted")),
    "declined": ([], a(payment_amount="0"), DECLINED),
    "declined again": ([a(payment_amount="0")], a(payment_amount="0"), once("AuthorizationDuplicate")),
    "authorized again": ([a()], a(), once("AuthorizationDuplicate")),
    "conflict": (
        [a()],
        a(payment_type="x"),
        once(
            "AuthorizationDeclined",
            "DeclinedConflictsWithEarlier",
            "Anomaly",
            "AnomalyAuthorizationConflict",
        ),
    ),
    "late": (
        [c()],
        a(payment_amount="1"),
        once("AuthorizationAccepted", "Anomaly", "AnomalyAmountDiffers"),
    ),
    "paid": ([], c(), PAID),
    "paid, test": ([], c(test="true"), once("PaymentConfirmed")),
    "failed": ([], c(status="decline"), once("PaymentFailed")),
    "paid again": ([c()], c(), once("ConfirmationDuplicate")),
    "other order": ([a()], c(pnm_order_identifier="1"), PAID | once("Anomaly", "AnomalyOrderDiffers")),
    "other customer": (
        [a()],
        c(site_customer_identifier="1"),
        PAID | once("Anomaly", "AnomalyCustomerDiffers"),
    ),
    "no customer": (
        [],
        c(site_customer_identifier=None),
        PAID | once("Anomaly", "AnomalyCustomerMissing"),
    ),
    "our decline paid": (
        [a(payment_currency="CAD")],
        c(),
        PAID | once("AnomalyPaidAfterDecline", "AnomalyAmountDiffers", Anomaly=2),
    ),
    "contradicted": (
        [c()],
        c(status="decline"),
        once("ConfirmationDuplicate", "Anomaly", "AnomalyOutcomeContradicted"),
    ),
    "paid at last": (
        [c(status="decline")],
        c(),
        PAID | once("Anomaly", "AnomalyOutcomeContradicted"),
    ),
    "forged": ([], a(site_identifier="S1", secret="x"), once("AuthenticationFailed")),
    "old": ([], a(timestamp="1"), once("AuthenticationFailed")),
    "invalid": ([], c(status="x"), once("ValidationFailed", "CallbackInvalid")),
    "invalid and forged": ([], c(status="x", secret="x"), once("AuthenticationFailed")),
    "token": ([], ("get_smart_token", {}), once("PayNearMeCallSucceeded")),
    "no token": ([], ("get_smart_token", {"unknown": "x"}), once("ValidationFailed")),
}


@pytest.mark.parametrize("case", COUNTED)
def test_each_call_writes_one_log_line_and_one_line_of_metrics(
    cold_start: Callable[[str], Function], paynearme: PayNearMeStub, written: Written, case: str
) -> None:
    before, now, numbers = COUNTED[case]
    statuses = [cold_start(name)(MESSAGES[name](**changes)).status for name, changes in [*before, now]]

    logs, metrics = written.logs(), written.metrics()
    assert len(logs) == len(metrics) == len(before) + 1
    assert [log["status"] for log in logs] == statuses
    assert [log["operation"] for log in logs] == [metric["operation"] for metric in metrics]
    assert logs[-1]["operation"] == now[0]
    assert counted(metrics[-1]) == numbers


@pytest.mark.parametrize("message", [authorization, confirmation])
def test_a_log_line_has_the_identifiers_of_a_callback_and_nothing_else_of_it(
    cold_start: Callable[[str], Function], written: Written, message: Callable[..., dict[str, str]]
) -> None:
    said = {"agent_name": MARKER, "customer_name": MARKER, "tax_id_pii": MARKER, "payment_bank_name": MARKER}
    parameters = message(**said)

    cold_start("authorize" if message is authorization else "confirm")(parameters)

    [line] = written.logs()
    for name in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
        assert line[name] == parameters[name]
    for hidden in (MARKER, parameters["signature"], CUSTOMER, *(site["secret"] for site in SITES.values())):
        assert hidden not in written.text()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"site_identifier": "S1", "secret": "x"}, "unknown_site"),
        ({"version": "2.0"}, "wrong_version"),
        ({"secret": "x"}, "wrong_signature"),
        ({"timestamp": "1"}, "wrong_age"),
    ],
)
def test_only_the_log_tells_why_a_callback_is_not_authentic(
    authorize: Function, written: Written, changes: dict[str, Any], reason: str
) -> None:
    answer = authorize(authorization(**changes))

    [line] = written.logs()
    assert line["auth_failure"] == reason
    assert reason not in answer.body


def test_the_log_names_the_parameters_of_an_invalid_message(confirm: Function, written: Written) -> None:
    confirm(confirmation(status=None, test=MARKER))

    [line] = written.logs()
    assert line["invalid_parameters"] == ["status", "test"]
    assert MARKER not in written.text()


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("name", MESSAGES)
def test_a_failure_is_noted_with_its_type_and_place_and_without_its_text(
    cold_start: Callable[[str], Function], monkeypatch: pytest.MonkeyPatch, written: Written, name: str
) -> None:
    def break_down(*_: object) -> None:
        raise BrokenError(MARKER) from ValueError(MARKER)

    for work in (
        "ledger.Ledger.authorize",
        "ledger.Ledger.confirm",
        "client.PayNearMeClient.get_smart_token",
    ):
        monkeypatch.setattr(f"paynearme.{work}", break_down)
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", next(iter(SITES)))
    cold_start(name)(MESSAGES[name]())

    [line] = written.logs()
    assert line["error"] == "BrokenError"
    assert any("break_down" in place for place in line["error_location"])
    assert MARKER not in written.text()


UNDECIDED = once("AuthorizationDeclined", "DeclinedCannotDecideNow")


@pytest.mark.parametrize(("name", "decided"), [("authorize", UNDECIDED), ("confirm", {})])
def test_a_ledger_that_is_gone_is_counted(
    cold_start: Callable[[str], Function],
    stored: Stored,
    written: Written,
    name: str,
    decided: dict[str, int],
) -> None:
    stored.client.delete_table(TableName=stored.table_name)
    cold_start(name)(MESSAGES[name]())

    [metrics] = written.metrics()
    assert counted(metrics) == once("LedgerUnavailable", "CallbackFailed") | decided


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("authorize", once("CallbackFailed") | UNDECIDED),
        ("confirm", once("CallbackFailed")),
        ("get_smart_token", {}),
    ],
)
def test_keys_that_are_gone_are_counted(
    cold_start: Callable[[str], Function],
    paynearme: PayNearMeStub,
    stored_sites: StoredSites,
    written: Written,
    name: str,
    beside: dict[str, int],
) -> None:
    stored_sites.delete()
    cold_start(name)(MESSAGES[name]())

    [metrics] = written.metrics()
    assert counted(metrics) == once("SiteKeysUnavailable") | beside


@pytest.mark.parametrize(("name", "decided"), [("authorize", UNDECIDED), ("confirm", {})])
def test_a_mistake_of_ours_is_counted(
    cold_start: Callable[[str], Function],
    monkeypatch: pytest.MonkeyPatch,
    written: Written,
    name: str,
    decided: dict[str, int],
) -> None:
    def break_down(*_: object) -> None:
        raise BrokenError

    monkeypatch.setattr(f"paynearme.ledger.Ledger.{name}", break_down)
    cold_start(name)(MESSAGES[name]())

    [metrics] = written.metrics()
    assert counted(metrics) == once("InternalError", "CallbackFailed") | decided


def test_what_one_call_notes_and_counts_is_not_told_of_the_next(
    authorize: Function, written: Written
) -> None:
    authorize(authorization())
    authorize.handle(body_event("{"))

    first, second = written.logs()
    assert "pnm_payment_identifier" in first
    assert "pnm_payment_identifier" not in second
    assert [set(counted(line)) for line in written.metrics()] == [{"AuthorizationAccepted"}, {"MalformedRequest"}]


@pytest.mark.parametrize("status", [200, 401, 422, 500])
def test_nothing_personal_and_no_token_of_a_get_token_call_is_written(
    get_smart_token: Function, paynearme: PayNearMeStub, written: Written, status: int
) -> None:
    request = valid_guaranteed_ach_request(flow_pay_url=f"app://{MARKER}", signature=MARKER)
    personal = [value for name, value in request.items() if name.endswith("_pii")]
    said = {"status": "error", "response_code": "1", "errors": [*personal, MARKER]}
    if status != 200:
        paynearme.answer = paynearme.saying(status, said)
    assert get_smart_token(request).status == (502 if status in (401, 500) else status)

    tokens = [ANSWERED["orders"][0][name] for name in ("secure_smart_token", "secure_smart_link")]
    secrets = [paynearme.sent[0]["signature"], *(site["secret"] for site in SITES.values())]
    assert written.logs()
    assert not [text for text in [*personal, *tokens, *secrets, MARKER, "_pii"] if text in written.text()]


def test_a_call_takes_the_milliseconds_that_it_says(authorize: Function, written: Written) -> None:
    started = time.perf_counter()
    authorize(authorization())
    took = (time.perf_counter() - started) * 1000

    assert 0 < written.logs()[0]["duration_ms"] <= took + 0.1
