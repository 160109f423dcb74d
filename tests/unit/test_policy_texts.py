import json

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason, decision_for
from paynearme.policy.texts import Text
from tests.policies import (
    NOW,
    authorization,
    case,
    decided,
    fault_of_text,
    faults_of,
    policy,
    receipt_of,
    valid_document,
)

DECLINING = [reason for reason in Reason if reason is not Reason.ACCEPTED]
OURS = ["payment_amount", "net_payment_amount", "order", "date"]
THEIRS = [
    "<pnm_payee_name>",
    "<pnm_payment />",
    "<pnm_balance_due />",
    "<pnm_fee />",
    "<pnm_net />",
    "<pnm_minimum />",
    "<pnm_minimum_fee />",
    "<pnm_minimum_net />",
]

# What holds where a policy says nothing.


def test_each_reason_has_its_default_texts() -> None:
    assert DEFAULT_TEXTS.keys() == set(Reason)


@pytest.mark.parametrize("reason", DECLINING)
def test_a_decline_says_why_and_gives_a_receipt(reason: Reason) -> None:
    decision = decision_for(reason, authorization(), policy(), NOW)
    assert not decision.accept
    assert decision.reason is reason
    assert decision.decline_reason
    assert decision.receipt


def test_an_acceptance_gives_a_receipt_and_no_reason_to_decline() -> None:
    decision = decision_for(Reason.ACCEPTED, authorization(), policy(), NOW)
    assert decision.accept
    assert decision.decline_reason is None
    assert "<pnm_payment />" in decision.receipt


def test_reasons_to_decline_are_told_apart_but_for_those_that_would_tell_of_chargebacks_and_returns() -> None:
    untold = {Reason.TOO_MANY_CHARGEBACKS, Reason.TOO_MANY_RETURNS}
    told = [DEFAULT_TEXTS[reason].decline_reason for reason in DECLINING if reason not in untold]
    assert len(set(told)) == len(told)
    for reason in untold:
        assert "chargeback" not in str(DEFAULT_TEXTS[reason]).lower()
        assert "return" not in str(DEFAULT_TEXTS[reason]).lower()


# Placeholders.


def test_our_placeholders_are_filled() -> None:
    receipt = "{payment_amount} ({net_payment_amount}) for {order} on {date}"
    assert receipt_of(receipt, net_payment_amount="350") == "354.99 (350.00) for 80080175585 on 2026-11-20"


def test_a_net_amount_that_no_message_names_is_left_out() -> None:
    assert receipt_of("[{net_payment_amount}]") == "[]"


def test_placeholders_are_filled_in_the_reason_to_decline_too() -> None:
    texts = {"amount_not_positive": {"decline_reason": "Not {payment_amount}", "receipt": "{order}"}}
    decision = decided(case(policy={"texts": texts}, message={"payment_amount": "0"}))
    assert (decision.decline_reason, decision.receipt) == ("Not 0.00", "80080175585")


@pytest.mark.parametrize("placeholder", THEIRS)
def test_paynearmes_placeholders_are_left_in_peace(placeholder: str) -> None:
    assert (
        receipt_of(f"^{placeholder}<br>{{date}} {placeholder}")
        == f"^{placeholder}<br>2026-11-20 {placeholder}"
    )


def test_paynearmes_placeholders_can_stand_together() -> None:
    together = "<br>".join(THEIRS)
    assert receipt_of(together) == together


def test_a_brace_is_written_twice() -> None:
    assert receipt_of("{{date}} }}{{ {{{date}}}") == "{date} }{ {2026-11-20}"


def test_what_is_no_placeholder_is_left_as_it_is() -> None:
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
@pytest.mark.parametrize("part", ["receipt", "decline_reason"])
def test_what_is_none_of_our_placeholders_is_refused_and_ours_are_told(part: str, text: str) -> None:
    description = fault_of_text(text, part)
    assert all(f"{{{name}}}" in description for name in OURS)


@pytest.mark.parametrize(
    "text", ["{", "}", "{date", "date}", "{{date}", "{date}}", "a } b", "{{{", "{date!}"]
)
def test_a_brace_without_its_fellow_is_refused(text: str) -> None:
    assert "brace" in fault_of_text(text)


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
def test_a_placeholder_that_paynearme_does_not_document_is_refused(text: str) -> None:
    assert "PayNearMe" in fault_of_text(text)


@pytest.mark.parametrize(
    "character", ["\x00", "\t", "\n", "\r", "\x1f", "\x7f", "\ufffe", "\uffff", "\ud800"]
)
@pytest.mark.parametrize("part", ["receipt", "decline_reason"])
def test_a_character_that_xml_cannot_carry_or_that_controls_is_refused(part: str, character: str) -> None:
    assert fault_of_text(f"Thank{character}you", part)
    assert fault_of_text(f"Thank you{character}", part)


@pytest.mark.parametrize("part", ["receipt", "decline_reason"])
def test_an_empty_text_is_refused(part: str) -> None:
    assert fault_of_text("", part)


@pytest.mark.parametrize("decline_reason", ["No", "{date}"])
def test_an_acceptance_with_a_reason_to_decline_is_refused(decline_reason: str) -> None:
    document = valid_document(texts={"accepted": {"decline_reason": decline_reason}})
    assert faults_of(json.dumps(document)) == ["defaults.texts: has a decline_reason for an acceptance"]


def test_a_sites_acceptance_with_a_reason_to_decline_is_refused() -> None:
    sites = {"S1": {"texts": {"accepted": {"decline_reason": "No"}}}}
    assert faults_of(json.dumps({**valid_document(), "sites": sites})) == [
        "sites.S1.texts: has a decline_reason for an acceptance"
    ]


def test_where_no_message_may_be_readable_nothing_of_one_can_be_told() -> None:
    for part in ("receipt", "decline_reason"):
        for name in OURS:
            texts = {"cannot_decide_now": {part: f"Later, {{{name}}}"}}
            for document in (
                valid_document(texts=texts),
                {**valid_document(), "sites": {"S1": {"texts": texts}}},
            ):
                (fault,) = faults_of(json.dumps(document))
                assert "cannot_decide_now" in fault


def test_where_no_message_may_be_readable_paynearmes_placeholders_can_still_be_used() -> None:
    text = {"receipt": "^<pnm_payee_name>", "decline_reason": "Later"}
    assert policy(texts={"cannot_decide_now": text}).text(Reason.CANNOT_DECIDE_NOW) == Text(**text)
