"""Authentic callbacks that cannot be processed: answered as processed ones, stored without personal data, counted."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import (
    CUSTOMER,
    SITE,
    SITE_OF_2_0,
    TRANSPORTS,
    authorization,
    confirmation,
    site_changes,
)
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response

type Message = Callable[..., dict[str, str]]

MESSAGES: Mapping[str, Message] = {"authorize": authorization, "confirm": confirmation, "reverse": reversal}
KINDS = {"authorize": "authorization", "confirm": "confirmation", "reverse": "reversal"}
PERSONAL: Any = dict.fromkeys(
    ("agent_name", "agent_email", "card_pii", "payment_bank_name", "site_order_annotation"), MARKER
)
QUARANTINED_TEXT = DEFAULT_TEXTS[Reason.CALLBACK_QUARANTINED].decline_reason


@pytest.fixture(params=MESSAGES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def function(cold_start: Callable[[str], LambdaFunction], name: str) -> LambdaFunction:
    return cold_start(name)


def assert_answered(name: str, response: Response, decline_reason: str | None = QUARANTINED_TEXT) -> None:
    """Fail if PayNearMe would not accept the response, or if it accepts a payment."""
    assert response.status == 200
    fields = response.fields
    assert fields["pnm_order_identifier"] == "80080175585"
    if name == "authorize":
        assert (fields["accept_payment"], fields["decline_reason"]) == ("no", decline_reason)
    else:
        assert fields.keys() == {"pnm_order_identifier"}


@pytest.mark.parametrize(
    ("changes", "reason", "invalid_parameters"),
    [
        ({"due_to_recipient_amount": "60.00"}, "push_callback", []),
        ({"test": "maybe", "payment_amount": "much"}, "invalid_parameters", ["payment_amount", "test"]),
        ({"pnm_payment_identifier": None}, "unsupported_callback", []),
        # Also the text of a customer's identifier. So the name contains the identifier.
        ({"site_customer_identifier": None, f"site_customer_identifier{MARKER}": ""}, "ambiguous_text", None),
    ],
    ids=str,
)
def test_unprocessable_callback_answered_and_stored_once(
    function: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
    changes: dict[str, Any],
    reason: str,
    invalid_parameters: list[str] | None,
) -> None:
    message = MESSAGES[name](**PERSONAL, **changes)

    responses = [function(message, transport) for transport in TRANSPORTS.values()]

    for response in responses:
        assert_answered(name, response)
    [item] = ledger_table.quarantined()
    assert (item["site_identifier"], item["kind"], item["reason"]) == (SITE, KINDS[name], reason)
    assert (item["received_count"], item["resolution"]) == (3, "unresolved")
    assert item["parameters"]["pnm_order_identifier"] == "80080175585"
    others = [other for other in ledger_table.all_items() if other["sk"] not in ("QUARANTINE", "PAYMENT")]
    assert others == []
    assert not [payment for payment in ledger_table.payments() if {"decision", "outcome"} & payment.keys()]
    line = captured_output.logs()[0]
    assert line["quarantine_reason"] == reason
    assert invalid_parameters in (None, line.get("invalid_parameters", []))
    assert f"{SITE}/{item['fingerprint'][:32]}" == line["quarantine_identifier"]
    for counted in ("CallbackQuarantined", f"Quarantined{reason.title().replace('_', '')}", "QuarantineSize"):
        assert captured_output.metric_total(counted) == 1
    assert captured_output.metric_total("QuarantineRepeated") == 2
    stored = str(ledger_table.all_items())
    assert not [text for text in (MARKER, "_pii", message["signature"]) if text in captured_output.text() + stored]


def test_quarantined_callback_of_xml_site_answered_in_xml(
    function: LambdaFunction, ledger_table: LedgerFixture, name: str
) -> None:
    response = function(MESSAGES[name](payment_type="push-debit", **site_changes(SITE_OF_2_0)))

    assert response.content_type.startswith("application/xml")
    assert_answered(name, response)
    assert len(ledger_table.quarantined()) == 1


@pytest.mark.parametrize("order", [None, "", "1\n2", "8" * 257])
def test_callback_without_usable_order_rejected_and_stored(
    function: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, name: str, order: str | None
) -> None:
    for changes in ({}, site_changes(SITE_OF_2_0)):
        response = function(MESSAGES[name](pnm_order_identifier=order, agent_name=MARKER, **changes))

        assert response.status == 400
        assert response.content_type.startswith("application/problem+json")
        assert response.content["type"].endswith("invalid-parameters")
        assert response.content["parameters"] == ["pnm_order_identifier"]
        assert CUSTOMER not in response.body
    assert [item["invalid_parameters"] for item in ledger_table.quarantined()] == [["pnm_order_identifier"]] * 2
    assert captured_output.metric_total("ValidationFailed") == 2
    assert MARKER not in captured_output.text()


def test_poison_callback_stored_and_processed_after_repair(
    function: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, name: str
) -> None:
    def fail(*_: object) -> None:
        raise TypeError(MARKER)

    message = MESSAGES[name](**PERSONAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function.app, name, fail)
        for _ in range(2):
            assert_answered(name, function(message))

    [item] = ledger_table.quarantined()
    assert (item["reason"], item["received_count"]) == ("unexpected_error", 2)
    line = captured_output.logs()[0]
    assert (line["level"], line["status"], line["error"]) == ("ERROR", 200, "TypeError")
    assert any("fail" in frame for frame in line["error_location"])
    for counted in ("CallbackFailed", "InternalError"):
        assert captured_output.metric_total(counted) == 2
    assert captured_output.metric_total("QuarantinedUnexpectedError") == 1
    assert MARKER not in captured_output.text() + str(ledger_table.all_items())

    assert function(message).fields.get("accept_payment", "yes") == "yes"
    payment = ledger_table.payment()
    assert {"decision", "outcome", "reversed_amount"} & payment.keys()
    assert payment["quarantined_callbacks"] == 1


def test_infrastructure_error_retried_and_not_stored(
    function: LambdaFunction, ledger_table: LedgerFixture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(function.app, name, fail)

    response = function(MESSAGES[name]())

    if name == "authorize":
        assert_answered(name, response, DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason)
    else:
        assert response.status == 503
    assert ledger_table.all_items() == []


def test_failing_quarantine_write_retried_by_paynearme(
    function: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    name: str,
) -> None:
    message = MESSAGES[name](payment_type="push-debit", agent_name=MARKER)
    aws_calls.request_errors["TransactWriteItems"] = client_error("AccessDeniedException")

    response = function(message)

    if name == "authorize":
        assert_answered(name, response, DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason)
    else:
        assert response.status == 503
    assert ledger_table.all_items() == []
    assert captured_output.metric_total("CallbackFailed") == captured_output.metric_total("LedgerUnavailable") == 1
    assert MARKER not in response.body + captured_output.text()
    aws_calls.request_errors.clear()
    assert_answered(name, function(message))
    assert len(ledger_table.quarantined()) == 1


@pytest.mark.parametrize(("name", "other"), [("authorize", "confirm"), ("confirm", "reverse"), ("reverse", "confirm")])
def test_callback_at_wrong_endpoint_moves_no_money(
    function: LambdaFunction, ledger_table: LedgerFixture, name: str, other: str
) -> None:
    assert_answered(name, function(MESSAGES[other]()))

    [item] = ledger_table.quarantined()
    assert (item["kind"], item["reason"]) == (KINDS[name], "wrong_endpoint")
    assert ledger_table.balances() == {}
    assert ledger_table.spent_amounts() == set()
