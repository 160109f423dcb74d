"""Consumer texts do not exceed PayNearMe's maximum length for any message."""

import json
from bisect import bisect_left
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from paynearme.policy import Reason, decision_for
from paynearme.policy.texts import MAX_TEXT, ConsumerText
from paynearme.protocol.callbacks import AuthorizationResponse
from tests.support.policy_builders import NOW, authorization, errors_of, full_document, policy, receipt_of, single_error

RENDERED_REASONS = [reason for reason in Reason if reason not in (Reason.ACCEPTED, Reason.CANNOT_DECIDE_NOW)]
PROJECT_PLACEHOLDER_LENGTHS = {"payment_amount": 16, "net_payment_amount": 16, "order": 64, "date": 10}
"""This project's placeholders and the maximum length of their values."""
MAX_VALUES = {
    "payment_amount": "-999999999999.99",
    "net_payment_amount": "-999999999999.99",
    "pnm_order_identifier": "8" * 64,
}


def is_accepted(text: str) -> bool:
    try:
        ConsumerText(receipt=text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600"])
def test_consumer_text_above_3000_characters_invalid(text_field: str, character: str) -> None:
    max_text = character * MAX_TEXT
    assert (
        getattr(policy(texts={"order_closed": {text_field: max_text}}).text(Reason.ORDER_CLOSED), text_field)
        == max_text
    )
    assert "3000" in single_error(max_text + "x", text_field)


@pytest.mark.parametrize(("name", "length"), PROJECT_PLACEHOLDER_LENGTHS.items())
def test_consumer_text_length_counts_maximum_placeholder_value(name: str, length: int) -> None:
    texts = {"order_closed": {"receipt": f"{{{name}}}"}}
    decision = decision_for(Reason.ORDER_CLOSED, authorization(**MAX_VALUES), policy(texts=texts), NOW)
    assert len(decision.receipt) == length
    filler = "x" * (MAX_TEXT - length)
    receipt = policy(texts={"order_closed": {"receipt": f"{{{name}}}{filler}"}}).text(Reason.ORDER_CLOSED).receipt
    assert receipt.endswith(filler)
    assert "3000" in single_error(f"{{{name}}}{filler}x")


def test_consumer_text_length_counts_each_placeholder_and_brace() -> None:
    filler = "x" * (MAX_TEXT - 64 - 64 - 2)
    assert len(receipt_of("{order}{order}{{}}" + filler, pnm_order_identifier="8" * 64)) == MAX_TEXT
    assert "3000" in single_error("{order}{order}{{}}" + filler + "x")


def test_consumer_text_length_error_has_path_of_site() -> None:
    document = full_document()
    document["sites"]["S2155373459"]["texts"] = {"accepted": {"receipt": "x" * (MAX_TEXT + 1)}}
    (error,) = errors_of(json.dumps(document))
    assert error.startswith("sites.S2155373459.texts.accepted.receipt: ")


characters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{}<\ufffe\uffff")
template_parts = st.lists(
    st.sampled_from(
        [
            *(f"{{{name}}}" for name in PROJECT_PLACEHOLDER_LENGTHS),
            "<pnm_payee_name>",
            "<pnm_fee />",
            "{{",
            "}}",
            "<br>",
            "^",
        ]
    )
    | st.text(characters, max_size=20),
    max_size=12,
)
amounts = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,2})?", fullmatch=True)
orders = st.from_regex(r"[A-Z0-9-]{1,64}", fullmatch=True)
times = st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (bounds must be naive)


@given(template_parts, amounts, st.none() | amounts, orders, times, st.sampled_from(RENDERED_REASONS))
@example(
    ["{payment_amount}", "{net_payment_amount}", "{order}", "{date}", "{{"],
    MAX_VALUES["payment_amount"],
    MAX_VALUES["net_payment_amount"],
    MAX_VALUES["pnm_order_identifier"],
    NOW,
    Reason.ORDER_CLOSED,
)
def test_consumer_text_rendered_never_exceeds_maximum_length(
    template_texts: list[str], amount: str, net: str | None, order: str, now: datetime, reason: Reason
) -> None:
    template = "".join(template_texts)
    # The maximum length of a valid template.
    template += "x" * (bisect_left(range(MAX_TEXT + 1), True, key=lambda n: not is_accepted(template + "x" * n)) - 1)
    assert not is_accepted(template + "x")
    texts: dict[str, Any] = {reason: {"decline_reason": template, "receipt": template}}
    message = authorization(payment_amount=amount, net_payment_amount=net, pnm_order_identifier=order)
    decision = decision_for(reason, message, policy(texts=texts), now)
    assert decision.decline_reason == decision.receipt
    assert len(decision.receipt) <= MAX_TEXT
    response = AuthorizationResponse(
        pnm_order_identifier=order,
        accept_payment="no",
        decline_reason=decision.decline_reason,
        receipt=decision.receipt,
    )
    assert response.receipt == decision.receipt


@pytest.mark.parametrize("reason", Reason)
def test_default_texts_rendered_within_maximum_length(reason: Reason) -> None:
    decision = decision_for(reason, authorization(**MAX_VALUES), policy(), NOW)
    assert len(decision.receipt) <= MAX_TEXT
    assert len(decision.decline_reason or "") <= MAX_TEXT
