"""Debit reversals once from the credited balance, and store reversals of unposted payments."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.protocol.signing import string_to_sign
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_driver import NOON, reversal, send_at, unix_time
from tests.support.callback_fixtures import (
    CUSTOMER,
    SITE_OF_3_0_IN_XML,
    SITES,
    TRANSPORTS,
    authorization,
    confirmation,
    site_changes,
)
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret

pytestmark = pytest.mark.usefixtures("no_delays")


ORDER = {"pnm_order_identifier": "80080175585"}


ACKNOWLEDGEMENT = {"payment_reverse_response": {"version": "3.0", "reverse_payment": ORDER}}


def balance(amount: str) -> dict[str, Decimal]:
    return {CUSTOMER: Decimal(amount)}


@pytest.fixture
def confirmed_payment(confirm: LambdaFunction) -> None:
    """A payment of 354.99 with a net amount of 350.00."""
    assert confirm(confirmation()).status == 200


def test_reversal_response_uses_site_envelope_and_element(reverse: LambdaFunction, sites_secret: SitesSecret) -> None:
    custom_names = {"reverse_envelope": "an_envelope", "reverse_element": "an_element"}
    site = SITE_OF_3_0_IN_XML
    sites_secret.put({"sites": {**SITES, site: {**SITES[site], **custom_names}}})

    response = reverse(reversal(**site_changes(site)))

    assert response.status == 200
    assert response.content_type.startswith("application/xml")
    root = ElementTree.fromstring(response.body)  # noqa: S314 # our own response
    assert [element.tag.partition("}")[2] for element in (root, root[0])] == ["an_envelope", "an_element"]
    assert response.fields == ORDER


@pytest.mark.usefixtures("confirmed_payment")
def test_reversal_duplicates_debit_once_with_same_response(
    reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    timestamps = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(days=40)]
    bodies = {
        send_at(now, reverse, reversal(timestamp=unix_time(now)), transport).body
        for now in timestamps
        for transport in TRANSPORTS.values()
    }

    assert [json.loads(body) for body in bodies] == [ACKNOWLEDGEMENT]
    assert ledger_table.balances() == balance("250.00")
    assert ledger_table.anomalies() == set()


BOUNDARY_MOVES: dict[str, tuple[Mapping[str, str | None], Mapping[str, str | None]]] = {
    "type split": ({"reverse_type": "Chargeback"}, {"reverse_type": "Cha", "rgeback": ""}),
    "undocumented parameter shortened": ({"zz": "ab"}, {"zz": None, "zza": "b"}),
    "undocumented parameter extended": ({"zzz": "ab"}, {"zzz": None, "zz": "zab"}),
    "undocumented parameters merged": ({"zy": "1", "zz": "2"}, {"zy": "1zz2", "zz": None}),
}


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("moved_first", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("boundary_move", BOUNDARY_MOVES)
def test_reversal_boundary_ambiguity_debits_once(
    reverse: LambdaFunction, ledger_table: LedgerFixture, boundary_move: str, moved_first: bool
) -> None:
    extra_fields, changes = BOUNDARY_MOVES[boundary_move]
    original = reversal(**extra_fields)
    merged = {**original, **changes}
    moved_message = {name: value for name, value in merged.items() if value is not None}
    assert string_to_sign(moved_message) == string_to_sign(original)

    first, second = (moved_message, original) if moved_first else (original, moved_message)
    # The moved message can be rejected, but the balance is debited once.
    assert {reverse(first).status, reverse(second).status} <= {200, 400}
    assert reverse(original).status == 200

    assert ledger_table.balances() == balance("250.00")
    year_counts = [item for item in ledger_table.all_items() if item["sk"].startswith("REVERSALS#")]
    assert sum(value for item in year_counts for name, value in item.items() if name[-1].isdigit()) == 1


@pytest.mark.usefixtures("confirmed_payment")
def test_partial_reversals_never_exceed_posted_amount(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    remaining_balances = []
    for code, amount in [("R01", "100.00"), ("R02", "100.00"), ("R02", "150.00"), ("R03", "4.99")]:
        reverse(reversal(reverse_code=code, reverse_amount=amount))
        remaining_balances.append(ledger_table.balances()[CUSTOMER])

    assert remaining_balances == [Decimal("250.00"), Decimal("150.00"), 0, 0]
    assert ledger_table.anomalies() == set()
    assert ledger_table.payment()["posted_amount"] == Decimal("350.00")


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("parts", [["355.00"], ["354.99", "0.01"]], ids=str)
def test_reversals_above_paid_amount_flagged_and_capped(
    reverse: LambdaFunction, ledger_table: LedgerFixture, parts: list[str]
) -> None:
    for amount in parts[:-1]:
        reverse(reversal(reverse_amount=amount))
    assert ledger_table.anomalies() == set()

    assert reverse(reversal(reverse_amount=parts[-1])).content == ACKNOWLEDGEMENT

    assert ledger_table.balances() == balance("0")
    assert ledger_table.anomalies() == {"reversed_too_much"}


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize(
    ("changes", "anomalies"),
    [
        ({"site_customer_identifier": "another"}, {"customer_differs"}),
        ({"pnm_order_identifier": "1"}, {"order_differs"}),
        ({"site_customer_identifier": None}, set()),
    ],
    ids=["customer", "order", "no customer"],
)
def test_reversal_mismatch_debits_credited_customer(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any], anomalies: set[str]
) -> None:
    assert reverse(reversal(**changes)).status == 200

    assert ledger_table.balances() == balance("250.00")
    assert ledger_table.anomalies() == anomalies


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("payment", ["before", "after"])
def test_reversal_test_stored_separately_and_debits_nothing(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, payment: str
) -> None:
    items_before = ledger_table.all_items()
    if payment == "before":
        confirm(confirmation(test="true"))

    bodies = {reverse(reversal(test="true", reverse_type="Chargeback")).body for _ in range(2)}
    if payment == "after":
        confirm(confirmation(test="true"))

    assert len(bodies) == 1
    assert [item for item in ledger_table.all_items() if not item["pk"].startswith("TEST#")] == items_before
    [test_item] = [item for item in ledger_table.payments() if item["test"]]
    assert test_item["reversed_amount"] == Decimal("100.00")
    assert not test_item.get("debited_amount")


@pytest.mark.parametrize(
    ("state_before", "reversed_amounts", "remaining_balance"),
    [
        ("unknown", ["100.00", "50.00"], "200.00"),
        ("authorized", ["200.00", "200.00"], "0"),
        ("declined", ["354.99"], "0"),
    ],
)
def test_reversal_before_post_reduces_credited_amount(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    state_before: str,
    reversed_amounts: list[str],
    remaining_balance: str,
) -> None:
    if state_before != "unknown":
        authorize(authorization())
    if state_before == "declined":
        confirm(confirmation(status="decline"))
    messages = [reversal(reverse_amount=part, payment_arn=str(n)) for n, part in enumerate(reversed_amounts)]
    for message in messages * 2:
        reverse(message)
    assert ledger_table.balances() == {}
    assert ledger_table.anomalies() == {"reversed_unknown"}
    assert captured_output.metric_total("AnomalyReversedUnknown") == len(messages)

    for _ in range(2):
        assert confirm(confirmation()).status == 200
        assert {reverse(message).status for message in messages} == {200}

    assert ledger_table.balances() == balance(remaining_balance)
    assert ledger_table.payment()["posted_amount"] == Decimal("350.00")


def test_reversal_never_debits_declined_customer(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation(status="decline"))
    confirm(confirmation(site_customer_identifier=None))
    reverse(reversal())

    assert ledger_table.balances() == {}
    assert "confirmed_customer" not in ledger_table.payment()


def test_reversal_payment_posted_without_customer_debits_nothing(
    authorize: LambdaFunction, confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    authorize(authorization())
    confirm(confirmation(site_customer_identifier=None))

    assert reverse(reversal()).status == 200

    assert ledger_table.balances() == {}
    item = ledger_table.payment()
    assert (item["reversed_amount"], item["debited_amount"]) == (Decimal("100.00"), 0)


@pytest.mark.parametrize(("lost_count", "status"), [(2, 200), (10_000, 503)], ids=["two responses", "all responses"])
def test_reversal_lost_responses_debited_once(
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    lost_count: int,
    status: int,
) -> None:
    confirm(confirmation())
    response_error = ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
    aws_calls.response_errors["TransactWriteItems"] = [response_error] * lost_count

    assert reverse(reversal()).status == status
    aws_calls.response_errors.clear()

    assert reverse(reversal()).status == 200
    assert ledger_table.balances() == balance("250.00")


@pytest.mark.parametrize(
    ("operation", "error"),
    [("BatchGetItem", client_error("AccessDeniedException")), ("TransactWriteItems", RuntimeError(MARKER))],
    ids=["access denied", "internal error"],
)
def test_reversal_during_failure_returns_503_retry_debits(
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    operation: str,
    error: Exception,
) -> None:
    confirm(confirmation())
    aws_calls.request_errors[operation] = error

    response = reverse(reversal(agent_name=MARKER))

    assert response.status == 503
    assert response.content_type.startswith("application/problem+json")
    assert MARKER not in response.body + captured_output.text()
    assert captured_output.logs()[-1]["level"] == "ERROR"
    assert ledger_table.balances() == balance("350.00")
    aws_calls.request_errors.clear()
    assert reverse(reversal()).status == 200
    assert ledger_table.balances() == balance("250.00")


def test_reversal_logged_and_counted_once(
    confirm: LambdaFunction, reverse: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm(confirmation())
    message = reversal(reverse_type="Chargeback", pnm_order_identifier="1")
    reverse(message)
    reverse(message)

    _, first, second = captured_output.logs()
    assert (first["operation"], first["status"], first["reversal_kind"]) == ("reverse", 200, "chargeback")
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["anomalies"] == ["order_differs"]
    assert "anomalies" not in second
    for name in ("PaymentReversed", "ReversalDuplicate", "AnomalyOrderDiffers", "ReversedChargeback"):
        assert captured_output.metric_total(name) == 1
