"""Authentic callbacks that cannot be processed: their reasons, and the parameters that the quarantine stores."""

from collections.abc import Callable

import pytest

from paynearme.errors import UnprocessableCallbackError
from paynearme.protocol.callbacks import Authorization, Confirmation, read_callback
from paynearme.protocol.quarantine import (
    QuarantineReason,
    omitted_parameters,
    order_identifier,
    pnm_identifier,
    stored_parameters,
)
from paynearme.protocol.reversals import Reversal
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal

type Model = type[Authorization | Confirmation | Reversal]
type Changes = dict[str, str | None]

VALID: dict[Model, Callable[..., dict[str, str]]] = {
    Authorization: valid_authorization,
    Confirmation: valid_confirmation,
    Reversal: valid_reversal,
}
PUSH_TYPES = (
    "push-debit",
    "ach_push",
    "paypal-push",
    "venmo-push",
    "pin4",
    *("Pin 4", "pin-4", "pay_out", "cash_out"),
    "Payout",
    "disbursement",
    "withdrawal",
)


def reason_of(model: Model, parameters: dict[str, str]) -> tuple[str, set[str]] | None:
    """Return the reason and the invalid parameters, or ``None`` if the message can be processed."""
    try:
        read_callback(model, parameters)
    except UnprocessableCallbackError as error:
        return str(error.reason), set(error.errors)
    return None


@pytest.mark.parametrize("model", VALID)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"payment_type": text}, "push_callback") for text in PUSH_TYPES),
        *(({f"due_to_recipient_{name}": "1"}, "push_callback") for name in ("amount", "currency", "fee")),
        ({"due_to_recipient_amount": "60.00", "pnm_payment_identifier": None}, "push_callback"),
        *(({"pnm_payment_identifier": absent, "status": "x"}, "unsupported_callback") for absent in (None, "")),
        ({"payment_type": "push-debit", "testtrue": ""}, "ambiguous_text"),
    ],
    ids=str,
)
def test_unsupported_callback_has_reason_at_each_endpoint(model: Model, changes: Changes, reason: str) -> None:
    unprocessed = reason_of(model, VALID[model](**changes))
    assert unprocessed is not None
    assert unprocessed[0] == reason


INVALID, WRONG = "invalid_parameters", "wrong_endpoint"
PAID = {"net_payment_amount": "1.00", "net_payment_currency": "USD"}


@pytest.mark.parametrize(
    ("model", "parameters", "reason", "invalid_names"),
    [
        *((Authorization, valid_confirmation(status=text), WRONG, "") for text in ("payment", " PAYMENT", "pending")),
        (Authorization, valid_reversal(), WRONG, ""),
        *((Confirmation, valid_reversal(status=text, **PAID), WRONG, "") for text in (None, "payment", "decline", "x")),
        (Confirmation, valid_confirmation(reverse_reason="x"), WRONG, ""),
        *((Reversal, valid_confirmation(status=text), WRONG, "") for text in ("payment", "decline", "Payment")),
        *(
            (Confirmation, valid_confirmation(status=text), "unknown_status", "")
            for text in ("declined", "void", "pending", "success", "payment_pending", "payment.")
        ),
        *(
            (Confirmation, valid_confirmation(**{name: text}), "currency_not_supported", "")
            for name in ("payment_currency", "net_payment_currency")
            for text in ("CAD", "usd")
        ),
        (Confirmation, valid_confirmation(status="PAYMENT", payment_currency="CAD"), "currency_not_supported", ""),
        (Reversal, valid_reversal(reverse_currency="CAD"), "currency_not_supported", ""),
        (Reversal, valid_reversal(reverse_currency=None, payment_currency="CAD"), "currency_not_supported", ""),
        (Reversal, valid_reversal(reverse_amount="", payment_currency="CAD"), "currency_not_supported", ""),
        *((Confirmation, valid_confirmation(status=text), INVALID, "status") for text in (None, "")),
        (Confirmation, valid_confirmation(payment_amount="much", test="x"), INVALID, "payment_amount test"),
        (Confirmation, valid_confirmation(net_payment_amount="-1"), INVALID, "net_payment_amount"),
        (Confirmation, valid_authorization(), INVALID, "status"),
        (Authorization, valid_authorization(timestamp=None, payment_amount=""), INVALID, "timestamp payment_amount"),
        (Authorization, valid_authorization(pnm_order_identifier="a b"), INVALID, "pnm_order_identifier"),
        (Reversal, valid_reversal(reverse_type=None, reverse_code=None, reverse_amount=None), INVALID, "reverse_type"),
        (Reversal, valid_authorization(payment_arn="7", payment_currency="CAD"), INVALID, "reverse_type"),
        (Reversal, valid_reversal(reverse_amount="0.00"), INVALID, "reverse_amount"),
    ],
)
def test_unprocessable_callback_has_reason_and_names(
    model: Model, parameters: dict[str, str], reason: str, invalid_names: str
) -> None:
    assert reason_of(model, parameters) == (reason, set(invalid_names.split()))


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        *((model, {"payment_type": text}) for model in VALID for text in ("paypal", "venmo", "cash_app", "pinless")),
        (Confirmation, {"due_to_recipient_amount": "", "due_to_recipient_currency": ""}),
        (Authorization, {"payment_currency": "CAD"}),
        (Confirmation, {"status": "decline", "payment_currency": "CAD", "net_payment_currency": None}),
        (Confirmation, dict.fromkeys(("reverse_amount", "reverse_code", "reverse_reason", "reverse_type"), "")),
        (Reversal, {"status": "payment", "payment_currency": "CAD"}),
    ],
    ids=str,
)
def test_processable_callback_has_no_reason(model: Model, changes: Changes) -> None:
    assert reason_of(model, VALID[model](**changes)) is None


INVALID_REASON = QuarantineReason.INVALID_PARAMETERS
STORED = valid_confirmation(site_customer_identifier="c-9", payment_type="credit", reverse_code="R01", test="true")
OMITTED = {
    "site_order_identifier": "o" * 257,
    "site_payment_identifier": "1\n2",
    "site_channel": "consumeragent_nameJane",
    "site_subchannel": "oncetax_id_pii123",
    "payment_date": "1748969962user_agent_stringx",
    "due_to_site_currency": "USDemailjane@x.com",
    "payment_amount": "a lot",
    "timestamp": "1748969962tracking_noteJane",
}
UNKNOWN = {
    **dict.fromkeys(("agent_name", "agent_email", "payment_bank_name", "payment_card_last4", "user_agent_string"), "J"),
    **dict.fromkeys(("reverse_reason", "site_order_annotation", "tax_id_pii", "signature", "a_new_one"), "J"),
}


def test_stored_parameters_without_text_of_consumers() -> None:
    parameters = {**STORED, **OMITTED, **UNKNOWN, "net_payment_currency": "", "standin": ""}

    expected = {name: text for name, text in STORED.items() if name not in {*OMITTED, "net_payment_currency"}}
    assert stored_parameters(parameters, INVALID_REASON) == expected
    assert omitted_parameters(parameters, INVALID_REASON) == sorted(OMITTED)
    assert omitted_parameters(STORED, INVALID_REASON) == []
    # Each value of an ambiguous text can contain another parameter.
    ambiguous = stored_parameters(STORED, QuarantineReason.AMBIGUOUS_TEXT)
    assert STORED.keys() - ambiguous.keys() == {"payment_type", "reverse_code", "site_customer_identifier", "status"}


@pytest.mark.parametrize(
    ("value", "order", "payment"),
    [
        ("80080175585", True, True),
        *((text, True, False) for text in ("a b", "zoe@example.com", "8" * 65, "1site_channelx", "830466route")),
        *((text, False, False) for text in (None, "", "1\n2", "8\uffff", "8" * 257)),
    ],
)
def test_order_and_payment_identifier_only_if_usable(value: str | None, order: bool, payment: bool) -> None:
    parameters = {} if value is None else {"pnm_order_identifier": value, "pnm_payment_identifier": value}
    assert order_identifier(parameters) == (value if order else None)
    assert pnm_identifier(parameters, "pnm_payment_identifier") == (value if payment else None)
