"""What PayNearMe says and what we answer, typed. Money is ``Decimal`` with two places, never a float."""

from paynearme.messages.callbacks import (
    Authorization,
    AuthorizationAnswer,
    Confirmation,
    ConfirmationAnswer,
    Outcome,
)
from paynearme.messages.reading import Message, read_message
from paynearme.messages.reversals import Reversal, ReversalAnswer, ReversalKind
from paynearme.messages.smart_token import SmartTokenAnswer, SmartTokenOrder, SmartTokenRequest

__all__ = [
    "Authorization",
    "AuthorizationAnswer",
    "Confirmation",
    "ConfirmationAnswer",
    "Message",
    "Outcome",
    "Reversal",
    "ReversalAnswer",
    "ReversalKind",
    "SmartTokenAnswer",
    "SmartTokenOrder",
    "SmartTokenRequest",
    "read_message",
]
