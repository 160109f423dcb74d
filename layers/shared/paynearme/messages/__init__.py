"""What PayNearMe says and what we answer, typed. Money is ``Decimal`` with two places, never a float."""

from paynearme.messages.callbacks import (
    Authorization,
    AuthorizationResponse,
    Confirmation,
    ConfirmationResponse,
    Outcome,
)
from paynearme.messages.reading import Message, read_message
from paynearme.messages.reversals import Reversal, ReversalResponse, ReversalKind
from paynearme.messages.smart_token import SmartTokenResponse, SmartTokenOrder, SmartTokenRequest

__all__ = [
    "Authorization",
    "AuthorizationResponse",
    "Confirmation",
    "ConfirmationResponse",
    "Message",
    "Outcome",
    "Reversal",
    "ReversalResponse",
    "ReversalKind",
    "SmartTokenResponse",
    "SmartTokenOrder",
    "SmartTokenRequest",
    "read_message",
]
