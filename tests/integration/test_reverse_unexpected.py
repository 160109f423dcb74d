"""Reversals of what was not posted or while something is broken, and what is written of them."""

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from paynearme.deadline import Deadline
from tests.clock import Clock
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import reversal
from tests.integration.signed_callbacks import CUSTOMER, TRANSPORTS, authorization, confirmation

MARKER = "zq7marker7qz"


def balance(amount: str) -> dict[str, Decimal]:
    return {CUSTOMER: Decimal(amount)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let the functions wait in time that costs nothing."""
    monkeypatch.setattr(Deadline, "after", lambda seconds: Deadline(clock.now + seconds, clock, clock.sleep))


@pytest.mark.parametrize(
    "before", [None, "asked", "declined by us", "failed"], ids=["unknown", "asked", "declined", "failed"]
)
def test_a_reversal_of_what_was_not_posted_is_acknowledged_and_marked_and_moves_nothing(
    authorize: Function,
    confirm: Function,
    reverse: Function,
    stored: Stored,
    written: Written,
    before: str | None,
) -> None:
    if before in ("asked", "failed"):
        authorize(authorization())
    if before == "declined by us":
        authorize(authorization(payment_currency="CAD"))
    if before == "failed":
        confirm(confirmation(status="decline"))

    bodies = {reverse(reversal()).body for _ in range(2)}

    assert len(bodies) == 1
    assert stored.balances() == {}
    assert stored.anomalies() == {"reversed_unknown"}
    assert stored.payment()["reversed_amount"] == Decimal("100.00")
    assert written.counted("AnomalyReversedUnknown") == 1


@pytest.mark.parametrize(
    ("came_back", "left"),
    [(["100.00"], "250.00"), (["100.00", "50.00"], "200.00"), (["354.99"], "0"), (["200.00", "200.00"], "0")],
    ids=str,
)
@pytest.mark.parametrize("before", [None, "asked", "failed"])
def test_what_came_back_before_it_was_posted_is_not_posted(
    authorize: Function,
    confirm: Function,
    reverse: Function,
    stored: Stored,
    before: str | None,
    came_back: list[str],
    left: str,
) -> None:
    if before:
        authorize(authorization())
    if before == "failed":
        confirm(confirmation(status="decline"))
    messages = [reversal(reverse_amount=part, payment_arn=str(n)) for n, part in enumerate(came_back)]
    for message in messages:
        reverse(message)

    for _ in range(2):
        assert confirm(confirmation()).status == 200
        assert {reverse(message).status for message in messages} == {200}

    assert stored.balances() == balance(left)
    assert stored.payment()["posted_amount"] == Decimal("350.00")
    assert "reversed_unknown" in stored.anomalies()


def test_what_comes_back_before_and_after_the_posting_is_together_never_more_than_was_posted(
    confirm: Function, reverse: Function, stored: Stored
) -> None:
    reverse(reversal(reverse_amount="300.00"))
    confirm(confirmation())
    assert stored.balances() == balance("50.00")

    reverse(reversal(reverse_amount="20.00"))
    assert stored.balances() == balance("30.00")

    reverse(reversal(reverse_amount="100.00"))
    assert stored.balances() == balance("0")
    assert "reversed_too_much" in stored.anomalies()


def test_nothing_is_taken_off_a_balance_that_a_payment_did_not_name_though_its_decline_did(
    confirm: Function, reverse: Function, stored: Stored
) -> None:
    confirm(confirmation(status="decline"))
    confirm(confirmation(site_customer_identifier=None))
    reverse(reversal())

    assert stored.balances() == {}
    assert "confirmed_customer" not in stored.payment()


def test_a_payment_that_failed_after_its_money_came_back_posts_nothing(
    confirm: Function, reverse: Function, stored: Stored
) -> None:
    reverse(reversal())
    confirm(confirmation(status="decline"))

    assert stored.balances() == {}
    assert stored.payment()["outcome"] == "decline"


@pytest.mark.parametrize("of", ["answers", "all answers"])
def test_a_reversal_whose_answer_is_lost_is_taken_back_once(
    confirm: Function, reverse: Function, stored: Stored, traffic: Traffic, of: str
) -> None:
    confirm(confirmation())
    lost = ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
    traffic.lost["TransactWriteItems"] = [lost] * (2 if of == "answers" else 10_000)

    assert reverse(reversal()).status == (200 if of == "answers" else 503)
    traffic.lost.clear()

    assert reverse(reversal()).status == 200
    assert stored.balances() == balance("250.00")


@pytest.mark.parametrize("fault", ["table gone", "table refused", "a mistake of ours"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_while_something_of_ours_is_broken_a_reversal_is_left_to_be_repeated(
    reverse: Function,
    stored: Stored,
    traffic: Traffic,
    written: Written,
    fault: str,
    transport: str,
) -> None:
    error: dict[str, Any] = {"Error": {"Code": "AccessDeniedException", "Message": MARKER}}
    if fault == "table gone":
        stored.client.delete_table(TableName=stored.table_name)
    elif fault == "table refused":
        traffic.refused["BatchGetItem"] = ClientError(error, "BatchGetItem")  # type: ignore[arg-type] # the rest is of no interest
    else:
        traffic.refused["TransactWriteItems"] = RuntimeError(MARKER)

    answer = reverse(reversal(agent_name=MARKER), TRANSPORTS[transport])

    assert answer.status == 503
    assert answer.content_type.startswith("application/problem+json")
    assert MARKER not in answer.body + written.text()
    [line] = written.logs()
    assert line["level"] == "ERROR"


def test_after_a_failure_the_same_reversal_is_taken_back(
    confirm: Function, reverse: Function, stored: Stored, traffic: Traffic
) -> None:
    confirm(confirmation())
    traffic.refused["TransactWriteItems"] = RuntimeError()
    assert reverse(reversal()).status == 503
    assert stored.balances() == balance("350.00")
    traffic.refused.clear()

    assert reverse(reversal()).status == 200
    assert stored.balances() == balance("250.00")


@pytest.mark.parametrize(
    ("changes", "kind", "metric"),
    [
        ({"reverse_type": "Chargeback"}, "chargeback", "ReversedChargeback"),
        ({"reverse_type": "Bank Return"}, "return", "ReversedReturn"),
        ({"reverse_type": None, "reverse_code": "R29"}, "return", "ReversedReturn"),
        ({"reverse_type": "Refund", "reverse_code": None}, "other", None),
        ({"reverse_type": None, "reverse_code": None}, "other", None),
    ],
    ids=["chargeback", "return", "return by its code", "refund", "nothing said"],
)
def test_the_log_says_what_came_back_and_a_metric_counts_it(
    confirm: Function,
    reverse: Function,
    written: Written,
    changes: dict[str, Any],
    kind: str,
    metric: str | None,
) -> None:
    confirm(confirmation())

    reverse(reversal(**changes, pnm_order_identifier="1"))
    reverse(reversal(**changes, pnm_order_identifier="1"))

    _, first, second = written.logs()
    assert (first["operation"], first["status"], first["reversal_kind"]) == ("reverse", 200, kind)
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["anomalies"] == ["order_differs"]
    assert "anomalies" not in second
    counts = ["PaymentReversed", "ReversalDuplicate", "AnomalyOrderDiffers", *([metric] if metric else [])]
    assert [written.counted(name) for name in counts] == [1] * len(counts)
    others = {"ReversedChargeback", "ReversedReturn"} - {metric}
    assert not any(written.counted(name) for name in others)


def test_nothing_personal_is_stored_or_logged(
    confirm: Function, reverse: Function, stored: Stored, written: Written
) -> None:
    personal = {
        "customer_name": "Marker-Name",
        "agent_name": "Marker-Agent",
        "agent_email": "marker@example.com",
        "customer_tax_id_pii": "Marker-Tax",
        "payment_bank_name": "Marker-Bank",
        "payment_bank_last4": "9911",
        "payment_card_last4": "9922",
        "retailer_location_address": "Marker-Street",
        "reverse_reason": "Marker-Reason",
        "user_agent_string": "Marker-Browser",
    }
    confirm(confirmation())

    message = reversal(**personal)
    assert reverse(message).status == 200

    kept = str(stored.everything()) + written.text()
    assert not [value for value in personal.values() if value in kept]
    assert message["signature"] not in kept
