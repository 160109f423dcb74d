import json

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason, decision_for
from paynearme.policy.texts import ConsumerText
from tests.support.policy_builders import (
    NOW,
    authorization,
    case,
    decide_case,
    errors_of,
    policy,
    receipt_of,
    single_error,
    valid_document,
)

DECLINE_REASONS = [reason for reason in Reason if reason is not Reason.ACCEPTED]
PROJECT_PLACEHOLDERS = ["payment_amount", "net_payment_amount", "order", "date"]
PAYNEARME_PLACEHOLDERS = [
    "<pnm_payee_name>",
    "<pnm_payment />",
    "<pnm_balance_due />",
    "<pnm_fee />",
    "<pnm_net />",
    "<pnm_minimum />",
    "<pnm_minimum_fee />",
    "<pnm_minimum_net />",
]

# The default texts.


def test_default_texts_cover_all_reasons() -> None:
    assert DEFAULT_TEXTS.keys() == set(Reason)


@pytest.mark.parametrize("reason", DECLINE_REASONS)
def test_default_texts_decline_has_decline_reason_and_receipt(reason: Reason) -> None:
    decision = decision_for(reason, authorization(), policy(), NOW)
    assert not decision.accept
    assert decision.reason is reason
    assert decision.decline_reason
    assert decision.receipt


def test_default_texts_accepted_has_receipt_no_decline_reason() -> None:
    decision = decision_for(Reason.ACCEPTED, authorization(), policy(), NOW)
    assert decision.accept
    assert decision.decline_reason is None
    assert "<pnm_payment />" in decision.receipt


def test_decline_texts_distinct_except_risk_reasons() -> None:
    undisclosed = {Reason.TOO_MANY_CHARGEBACKS, Reason.TOO_MANY_RETURNS}
    decline_texts = [DEFAULT_TEXTS[reason].decline_reason for reason in DECLINE_REASONS if reason not in undisclosed]
    assert len(set(decline_texts)) == len(decline_texts)
    for reason in undisclosed:
        assert "chargeback" not in str(DEFAULT_TEXTS[reason]).lower()
        assert "return" not in str(DEFAULT_TEXTS[reason]).lower()


# Placeholders.


def test_placeholders_replaced_in_receipt() -> None:
    receipt = "{payment_amount} ({net_payment_amount}) for {order} on {date}"
    assert receipt_of(receipt, net_payment_amount="350") == "354.99 (350.00) for 80080175585 on 2026-11-20"


def test_placeholder_net_amount_missing_replaced_by_empty_text() -> None:
    assert receipt_of("[{net_payment_amount}]") == "[]"


def test_placeholders_replaced_in_decline_reason() -> None:
    texts = {"amount_not_positive": {"decline_reason": "Not {payment_amount}", "receipt": "{order}"}}
    decision = decide_case(case(policy={"texts": texts}, message={"payment_amount": "0"}))
    assert (decision.decline_reason, decision.receipt) == ("Not 0.00", "80080175585")


@pytest.mark.parametrize("placeholder", PAYNEARME_PLACEHOLDERS)
def test_paynearme_placeholder_unchanged(placeholder: str) -> None:
    assert receipt_of(f"^{placeholder}<br>{{date}} {placeholder}") == f"^{placeholder}<br>2026-11-20 {placeholder}"


def test_paynearme_placeholders_combined_unchanged() -> None:
    receipt_text = "<br>".join(PAYNEARME_PLACEHOLDERS)
    assert receipt_of(receipt_text) == receipt_text


def test_placeholder_double_brace_renders_single_brace() -> None:
    assert receipt_of("{{date}} }}{{ {{{date}}}") == "{date} }{ {2026-11-20}"


def test_consumer_text_without_placeholder_unchanged() -> None:
    text = "^50% off! $5 <b>&amp; 100 % %s %(date)s \\n \u00e9\u4e2d\U0001f600</b><br>pnm_fee <br />"
    assert receipt_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "{amount}",
        "{Date}",
        "{ date }",
        "{date }",
        "{}",
        "{0}",
        "{date.year}",
        "{date.__class__}",
        "{order[0]}",
        "{order[__class__]}",
        "{order:>3000}",
        "{order:{date}}",
        "{date:%Y}",
        "{date!r}",
        "{date!s:>9}",
        "{date} {oder}",
    ],
)
@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
def test_unknown_placeholder_invalid_error_lists_valid_ones(text_field: str, text: str) -> None:
    description = single_error(text, text_field)
    assert all(f"{{{name}}}" in description for name in PROJECT_PLACEHOLDERS)


@pytest.mark.parametrize("text", ["{", "}", "{date", "date}", "{{date}", "{date}}", "a } b", "{{{", "{date!}"])
def test_placeholder_unbalanced_brace_invalid(text: str) -> None:
    assert "brace" in single_error(text)


@pytest.mark.parametrize(
    "text",
    [
        "<pnm_total />",
        "<pnm_fee>",
        "<pnm_fee/>",
        "<pnm_fee  />",
        "<pnm_payee_name />",
        "<pnm_fee",
        "< pnm_fee />",
        "</pnm_fee>",
        "<pnm_payment /><pnm_paymnt />",
        "<pnm_{date} />",
        "<pnm>",
    ],
)
def test_paynearme_placeholder_undocumented_invalid(text: str) -> None:
    assert "PayNearMe" in single_error(text)


@pytest.mark.parametrize("character", ["\x00", "\t", "\n", "\r", "\x1f", "\x7f", "\ufffe", "\uffff", "\ud800"])
@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
def test_consumer_text_non_xml_or_control_character_invalid(text_field: str, character: str) -> None:
    assert single_error(f"Thank{character}you", text_field)
    assert single_error(f"Thank you{character}", text_field)


@pytest.mark.parametrize("text_field", ["receipt", "decline_reason"])
def test_consumer_text_empty_invalid(text_field: str) -> None:
    assert single_error("", text_field)


@pytest.mark.parametrize("decline_reason", ["No", "{date}"])
def test_accepted_text_with_decline_reason_invalid(decline_reason: str) -> None:
    document = valid_document(texts={"accepted": {"decline_reason": decline_reason}})
    assert errors_of(json.dumps(document)) == ["defaults.texts: has a decline_reason for an acceptance"]


def test_accepted_text_of_site_with_decline_reason_invalid() -> None:
    sites = {"S1": {"texts": {"accepted": {"decline_reason": "No"}}}}
    assert errors_of(json.dumps({**valid_document(), "sites": sites})) == [
        "sites.S1.texts: has a decline_reason for an acceptance"
    ]


def test_cannot_decide_text_with_placeholder_invalid() -> None:
    for text_field in ("receipt", "decline_reason"):
        for name in PROJECT_PLACEHOLDERS:
            texts = {"cannot_decide_now": {text_field: f"Later, {{{name}}}"}}
            for document in (valid_document(texts=texts), {**valid_document(), "sites": {"S1": {"texts": texts}}}):
                (error,) = errors_of(json.dumps(document))
                assert "cannot_decide_now" in error


def test_cannot_decide_text_with_paynearme_placeholder_valid() -> None:
    text = {"receipt": "^<pnm_payee_name>", "decline_reason": "Later"}
    assert policy(texts={"cannot_decide_now": text}).text(Reason.CANNOT_DECIDE_NOW) == ConsumerText(**text)
