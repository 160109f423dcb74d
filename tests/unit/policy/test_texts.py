import json
from bisect import bisect_left
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from paynearme.policy import DEFAULT_TEXTS, UNDECIDED_REASONS, Reason, decision_for
from paynearme.policy.texts import MAX_TEXT, ConsumerText
from paynearme.protocol.callbacks import AuthorizationResponse
from tests.support.policy_builders import (
    NOW,
    authorization,
    case,
    decide_case,
    errors_of,
    policy,
    valid_document,
)

PLACEHOLDER_LENGTHS = {"payment_amount": 16, "net_payment_amount": 16, "order": 64, "date": 10}
"""This project's placeholders and the maximum length of their values."""
MAX_VALUES = {
    "payment_amount": "-999999999999.99",
    "net_payment_amount": "-999999999999.99",
    "pnm_order_identifier": "8" * 64,
}
# PayNearMe docs, Using Authorization Callbacks.
PAYNEARME_PLACEHOLDERS = [
    *("<pnm_payee_name>", "<pnm_payment />", "<pnm_balance_due />", "<pnm_fee />", "<pnm_net />"),
    *("<pnm_minimum />", "<pnm_minimum_fee />", "<pnm_minimum_net />"),
]


def receipt_of(template: str, **message: str | None) -> str:
    """Return the receipt of an acceptance with ``template`` as the policy's receipt."""
    return decide_case(case(policy={"texts": {"accepted": {"receipt": template}}}, message=message)).receipt


def single_error(text: str, part: str = "receipt") -> str:
    """Return the error of a consumer text. Fails if it is not the only error, or has another path."""
    (error,) = errors_of(json.dumps(valid_document(texts={"order_closed": {part: text}})))
    path, _, description = error.partition(": ")
    assert path == f"defaults.texts.order_closed.{part}"
    return description


@pytest.mark.parametrize("reason", Reason)
def test_default_texts_only_decline_has_decline_reason(reason: Reason) -> None:
    decision = decision_for(reason, authorization(), policy(), NOW)
    assert decision.accept is (reason is Reason.ACCEPTED)
    assert decision.reason is reason
    assert bool(decision.decline_reason) is not decision.accept
    assert ("<pnm_payment />" in decision.receipt) is decision.accept


@pytest.mark.parametrize("reason", [Reason.TOO_MANY_CHARGEBACKS, Reason.TOO_MANY_RETURNS])
def test_default_texts_of_risk_reasons_not_disclosed(reason: Reason) -> None:
    texts = str(DEFAULT_TEXTS[reason]).lower()
    assert "chargeback" not in texts
    assert "return" not in texts


# Placeholders.


def test_placeholders_replaced_in_receipt() -> None:
    receipt = "{payment_amount} ({net_payment_amount}) for {order} on {date}"
    assert receipt_of(receipt, net_payment_amount="350") == "354.99 (350.00) for 80080175585 on 2026-11-20"
    assert receipt_of("[{net_payment_amount}]") == "[]"


def test_placeholders_replaced_in_decline_reason() -> None:
    texts = {"amount_not_positive": {"decline_reason": "Not {payment_amount}", "receipt": "{order}"}}
    decision = decide_case(case(policy={"texts": texts}, message={"payment_amount": "0"}))
    assert (decision.decline_reason, decision.receipt) == ("Not 0.00", "80080175585")


@pytest.mark.parametrize(
    ("now", "day"), [("2026-11-21T04:59:59Z", "2026-11-20"), ("2026-11-21T05:00:00Z", "2026-11-21")]
)
def test_placeholder_date_uses_policy_time_zone(now: str, day: str) -> None:
    texts = {"accepted": {"receipt": "{date}"}}
    assert decide_case(case(policy={"texts": texts}, now=datetime.fromisoformat(now))).receipt == day


@pytest.mark.parametrize("template", [*PAYNEARME_PLACEHOLDERS, "<br>".join(PAYNEARME_PLACEHOLDERS)])
def test_paynearme_placeholders_unchanged(template: str) -> None:
    assert receipt_of(f"^{template}<br>{{date}}") == f"^{template}<br>2026-11-20"


def test_placeholder_double_brace_renders_single_brace() -> None:
    assert receipt_of("{{date}} }}{{ {{{date}}}") == "{date} }{ {2026-11-20}"


def test_consumer_text_without_placeholder_unchanged() -> None:
    text = "^50% off! $5 <b>&amp; 100 % %s %(date)s \\n \u00e9\u4e2d\U0001f600</b><br>pnm_fee <br />"
    assert receipt_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("{amount}", "{Date}", "{ date }", "{}", "{0}", "{date} {oder}"),
        *("{date.__class__}", "{order[0]}", "{order:>3000}", "{order:{date}}", "{date!r}"),
    ],
)
def test_unknown_placeholder_invalid_error_lists_valid_ones(text: str) -> None:
    description = single_error(text)
    assert all(f"{{{name}}}" in description for name in PLACEHOLDER_LENGTHS)


@pytest.mark.parametrize("text", ["{", "}", "{date", "{{date}", "{date}}", "{{{", "{date!}"])
def test_placeholder_unbalanced_brace_invalid(text: str) -> None:
    assert "brace" in single_error(text)


@pytest.mark.parametrize(
    "text",
    [
        *("<pnm_total />", "<pnm_fee>", "<pnm_fee/>", "<pnm_fee  />", "<pnm_payee_name />", "<pnm_fee", "< pnm_fee />"),
        *("</pnm_fee>", "<pnm_payment /><pnm_paymnt />", "<pnm_{date} />", "<pnm>"),
    ],
)
def test_paynearme_placeholder_undocumented_invalid(text: str) -> None:
    assert "PayNearMe" in single_error(text)


@pytest.mark.parametrize("character", ["\x00", "\n", "\x1f", "\x7f", "\ufffe", "\uffff", "\ud800"])
@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
def test_consumer_text_empty_or_non_xml_character_invalid(text_field: str, character: str) -> None:
    assert single_error(f"Thank{character}you", text_field)
    assert single_error(f"Thank you{character}", text_field)
    assert single_error("", text_field)


# The reasons with restricted texts, in the defaults and in a site.


def errors_of_texts(texts: dict[str, Any]) -> list[str]:
    """Return the errors of ``texts`` in the defaults and in a site."""
    documents = (valid_document(texts=texts), {**valid_document(), "sites": {"S1": {"texts": texts}}})
    return [error for document in documents for error in errors_of(json.dumps(document))]


def test_accepted_text_with_decline_reason_invalid() -> None:
    assert errors_of_texts({"accepted": {"decline_reason": "No"}}) == [
        "defaults.texts: has a decline_reason for an acceptance",
        "sites.S1.texts: has a decline_reason for an acceptance",
    ]


@pytest.mark.parametrize("reason", sorted(UNDECIDED_REASONS))
@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
def test_undecided_text_with_placeholder_invalid(text_field: str, reason: Reason) -> None:
    for name in PLACEHOLDER_LENGTHS:
        errors = errors_of_texts({reason: {text_field: f"Later, {{{name}}}"}})
        assert [reason in error for error in errors] == [True, True]


@pytest.mark.parametrize("decline_reason", ["Later {{}}", None])
def test_cannot_decide_text_with_paynearme_placeholder_valid(decline_reason: str | None) -> None:
    text = {"receipt": "^<pnm_payee_name>", "decline_reason": decline_reason}
    expected = ConsumerText.model_validate(text)
    assert policy(texts={"cannot_decide_now": text}).text(Reason.CANNOT_DECIDE_NOW) == expected


# The length. Consumer texts do not exceed PayNearMe's maximum for any message.


def is_accepted(text: str) -> bool:
    try:
        ConsumerText(receipt=text)
    except ValidationError:
        return False
    return True


def test_consumer_text_above_3000_characters_invalid() -> None:
    max_text = "\U0001f600" * 3000
    assert receipt_of(max_text) == max_text
    assert "3000" in single_error(max_text + "x")


@pytest.mark.parametrize(("name", "length"), PLACEHOLDER_LENGTHS.items())
def test_consumer_text_length_counts_maximum_placeholder_value(name: str, length: int) -> None:
    template = f"{{{name}}}" + "x" * (MAX_TEXT - length)
    decision = decision_for(
        Reason.ORDER_CLOSED, authorization(**MAX_VALUES), policy(texts={"order_closed": {"receipt": template}}), NOW
    )
    assert len(decision.receipt) == MAX_TEXT
    assert "3000" in single_error(template + "x")


def test_consumer_text_length_counts_each_placeholder_and_brace() -> None:
    filler = "x" * (MAX_TEXT - 64 - 64 - 2)
    assert len(receipt_of("{order}{order}{{}}" + filler, pnm_order_identifier="8" * 64)) == MAX_TEXT
    assert "3000" in single_error("{order}{order}{{}}" + filler + "x")


characters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{}<\ufffe\uffff")
template_parts = st.lists(
    st.sampled_from([*(f"{{{name}}}" for name in PLACEHOLDER_LENGTHS), "<pnm_fee />", "{{", "}}", "<br>"])
    | st.text(characters, max_size=20),
    max_size=12,
)
amounts = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,2})?", fullmatch=True)
orders = st.from_regex(r"[A-Z0-9-]{1,64}", fullmatch=True)
times = st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (bounds must be naive)


@given(template_parts, amounts, st.none() | amounts, orders, times)
@example([f"{{{name}}}" for name in PLACEHOLDER_LENGTHS], *MAX_VALUES.values(), NOW)
def test_consumer_text_rendered_never_exceeds_maximum_length(
    template_texts: list[str], amount: str, net: str | None, order: str, now: datetime
) -> None:
    template = "".join(template_texts)
    # The maximum length of a valid template.
    template += "x" * (bisect_left(range(MAX_TEXT + 1), True, key=lambda n: not is_accepted(template + "x" * n)) - 1)
    assert not is_accepted(template + "x")
    texts = {"order_closed": {"decline_reason": template, "receipt": template}}
    message = authorization(payment_amount=amount, net_payment_amount=net, pnm_order_identifier=order)
    decision = decision_for(Reason.ORDER_CLOSED, message, policy(texts=texts), now)
    assert decision.decline_reason == decision.receipt
    assert len(decision.receipt) <= MAX_TEXT
    response = AuthorizationResponse(
        pnm_order_identifier=order,
        accept_payment="no",
        decline_reason=decision.decline_reason,
        receipt=decision.receipt,
    )
    assert response.receipt == decision.receipt
