"""Pairs of messages with one signed text and different decisive fields."""

from collections.abc import Callable

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import string_to_sign
from tests.support.message_fixtures import valid_authorization, valid_reversal

type Parameters = dict[str, str]
type Model = type[Authorization | Reversal]
type AmbiguousPair = tuple[Parameters, Parameters]
AMBIGUOUS_MESSAGES: dict[str, AmbiguousPair] = {
    "a name with its value": ({"test": "true"}, {"testtrue": ""}),
    "a name with a part of its value": ({"test": "true"}, {"testtr": "ue"}),
    "a part of a name": ({"test": "true"}, {"tes": "ttrue"}),
    "a name at the end of another": (
        {"site_subchannel": "weekly", "test": "true"},
        {"site_subchannelweeklytest": "true"},
    ),
    "a name and a half": ({"site_subchannel": "weekly", "test": "true"}, {"site_subchannel": "weeklytest", "t": "rue"}),
    "a name that sorts after the name that its value absorbs": (
        {"site_order_annotation": "one for the road", "test": "true"},
        {"site_order_annotation": "one for ", "the": " roadtesttrue"},
    ),
    "a type in the name": ({"payment_type": "credit"}, {"payment_typecredit": ""}),
    "a new type in the name": ({"payment_type": "crypto"}, {"payment_typecr": "ypto"}),
    "a type as a name": ({"payment_type": "paypal"}, {"payment_type": "", "paypal": ""}),
    "a type after digits": (
        {"payment_date": "1749067230", "payment_type": "ach"},
        {"payment_date1749067230payment_type": "ach"},
    ),
    "a type after another name": (
        {"payment_method": "visa", "payment_type": "credit"},
        {"payment_methodvisapayment_typecredit": ""},
    ),
    "a type with a new parameter": (
        {"payment_type": "ach", "payment_type_detail": "visa"},
        {"payment_type": "achpayment_type_detailvisa"},
    ),
    "a type with a part of a new name": (
        {"payment_type": "ach", "payment_type_detail": "visa"},
        {"payment_type": "achpayment_ty", "pe_detail": "visa"},
    ),
    "the end of a new name as a type": ({"payment_type_detail": "visa"}, {"payment_type": "_detailvisa"}),
    "the end of a plural as a type": ({"payment_types_total": "2"}, {"payment_type": "s_total2"}),
    "a part of a channel": ({"site_channel": "consumer"}, {"site_channelcon": "sumer"}),
    "a schedule in two": ({"site_subchannel": "scheduled_one_time"}, {"site_subchannel": "scheduled_one_", "time": ""}),
    "a schedule like a plural": ({"site_subchannel": "scheduled_one_time"}, {"site_subchannels": "cheduled_one_time"}),
    "a schedule with a new parameter": (
        {"site_subchannel": "scheduled_one_time", "status_code": "7"},
        {"site_subchannel": "scheduled_one_timestatus_code7"},
    ),
    "an amount in the name": ({"net_payment_amount": "350.00"}, {"net_payment_amount350": ".00"}),
    "an amount in the value": ({"net_payment_amount": "350.00"}, {"net_payment": "_amount350.00"}),
    "an amount after an agent": (
        {"agent_name": "Joe", "net_payment_amount": "350.00"},
        {"agent_name": "Joenet_payment_amount350.00"},
    ),
    "a customer in the name": ({"site_customer_identifier": "773"}, {"site_customer_identifier773": ""}),
    "a customer in the value": ({"site_customer_identifier": "773"}, {"site_customer_identifie": "r773"}),
    "a telephone number in the value": (
        {"settlement_method": "SM7", "site_customer_identifier": "+1555"},
        {"settlement_method": "SM7site_customer_identifier+1555"},
    ),
    "a customer with a new parameter": (
        {"site_customer_identifier": "773", "site_customer_name": "Zoe"},
        {"site_customer_identifier": "773site_customer_nameZoe"},
    ),
    "a customer with a day": (
        {"site_customer_identifier": "773", "site_date": "7"},
        {"site_customer_identifier": "773site_date7"},
    ),
    "a customer of another name": (
        {"site_customer_identifier": "773", "site_customer_identifier_type": "email"},
        {"site_cust": "omer_identifier773", "site_customer_identifier": "_typeemail"},
    ),
    "a payment with a new parameter": (
        {"pnm_payment_identifier": "830466818968", "promo_code": "abc"},
        {"pnm_payment_identifier": "830466818968promo_codeabc"},
    ),
}
AMBIGUOUS_REVERSALS: dict[str, AmbiguousPair] = {
    "a type in the name": ({"reverse_type": "chargeback"}, {"reverse_typecharge": "back"}),
    "a type in the value": ({"reverse_type": "Chargeback"}, {"reverse_typ": "eChargeback"}),
    "a type with a new parameter": (
        {"reverse_type": "Refund", "settlement_note": "chargeback"},
        {"reverse_type": "Refundsettlement_notechargeback"},
    ),
    "a code with a new parameter": (
        {"reverse_code": "R01", "reverse_code_detail": "1", "reverse_type": "Refund"},
        {"reverse_code": "R01reverse_code_detail1", "reverse_type": "Refund"},
    ),
    "a type after a reason": (
        {"reverse_reason": "Card Absent Environment", "reverse_type": "Chargeback"},
        {"reverse_reason": "Card Absent Envi", "ronmentreverse_type": "Chargeback"},
    ),
    "an amount in the value": (
        {"payment_amount": "354.99", "reverse_amount": "20"},
        {"payment_amount": "354.99", "reverse_amoun": "t20"},
    ),
    "an amount after a new parameter": (
        {"payment_amount": "354.99", "promo_code": "abc", "reverse_amount": "20"},
        {"payment_amount": "354.99", "promo_codeabcreverse_amount": "20"},
    ),
}


def rejects_second(model: Model, valid: Callable[..., Parameters], pair: AmbiguousPair) -> bool:
    """Return whether the second message is rejected. Fails if the first is, or if their signed texts differ."""
    original_fields, changed_fields = pair
    removed_fields: dict[str, None] = dict.fromkeys(original_fields)
    original, changed = valid(**original_fields), valid(**{**removed_fields, **changed_fields})
    assert string_to_sign(changed) == string_to_sign(original)
    read_message(model, original)
    try:
        read_message(model, changed)
    except ValidationFailedError:
        return True
    return False


@pytest.mark.parametrize("name", AMBIGUOUS_MESSAGES)
def test_boundary_ambiguity_authorization_second_split_rejected(name: str) -> None:
    assert rejects_second(Authorization, valid_authorization, AMBIGUOUS_MESSAGES[name])


@pytest.mark.parametrize("name", AMBIGUOUS_REVERSALS)
def test_boundary_ambiguity_reversal_second_split_rejected(name: str) -> None:
    assert rejects_second(Reversal, valid_reversal, AMBIGUOUS_REVERSALS[name])


def test_agent_name_cannot_absorb_net_amount() -> None:
    name = "Joe" + "net_payment_amount" + "350.00"
    with pytest.raises(ValidationFailedError):
        read_message(Authorization, valid_authorization(agent_name=name))

    message = read_message(Authorization, valid_authorization(agent_name=name, net_payment_amount="350.00"))
    assert message.agent_name == name
