"""Process a quarantined callback in the same way as a new one."""

from collections.abc import Mapping
from datetime import datetime

from paynearme.errors import UnprocessableCallbackError
from paynearme.ledger.confirmation import confirm
from paynearme.ledger.quarantine_items import QuarantinedCallback
from paynearme.ledger.results import ConfirmationResult, ReversalResult
from paynearme.ledger.reversal import reverse
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.policy_provider import PolicyProvider
from paynearme.protocol.callbacks import Confirmation, is_reversal, message_kind, read_callback
from paynearme.protocol.quarantine import STORED_PARAMETERS, CallbackKind, QuarantineReason
from paynearme.protocol.reversals import Reversal

_FIXED_PARAMETERS = frozenset({"site_identifier", "timestamp", "version"})
_NEVER_AS_RECEIVED = frozenset(
    {QuarantineReason.AMBIGUOUS_TEXT, QuarantineReason.PUSH_CALLBACK, QuarantineReason.UNSUPPORTED_CALLBACK}
)


class ReplayRejectedError(Exception):
    """The callback cannot be replayed. The text contains the cause and the operator's next step, and no value."""


def read_quarantined(callback: QuarantinedCallback, changes: Mapping[str, str]) -> Confirmation | Reversal:
    """Return the message of a callback. ``changes`` replace or add parameters.

    The endpoint is not signed, so the received parameters determine the kind of the message. An ambiguous or
    unsupported callback is never processed as received: ``changes`` must contain all its parameters. Raises
    ``ReplayRejectedError``.
    """
    if callback.kind is CallbackKind.AUTHORIZATION and callback.message_kind is None:
        raise ReplayRejectedError("PayNearMe already received a decline of this authorization; discard it")
    if unknown := sorted(changes.keys() - (STORED_PARAMETERS - _FIXED_PARAMETERS)):
        raise ReplayRejectedError(f"these parameters cannot be set: {', '.join(unknown)}")
    stored, kind = dict(callback.parameters), callback.message_kind
    if callback.reason in _NEVER_AS_RECEIVED:
        if not changes:
            raise ReplayRejectedError(f"{callback.reason}: set all parameters that PayNearMe confirms, or discard it")
        stored, kind = {name: value for name, value in stored.items() if name in _FIXED_PARAMETERS}, None
    elif missing := sorted(set(callback.omitted_parameters) - changes.keys()):
        raise ReplayRejectedError(f"these parameters are not stored, set them: {', '.join(missing)}")
    parameters = {**stored, **changes}
    kind = kind or message_kind(changes) or callback.kind
    if kind is CallbackKind.REVERSAL and callback.message_kind is kind and not is_reversal(parameters):
        # Only the reason, which is not stored, made the message a reversal.
        parameters["reverse_reason"] = "not stored"
    try:
        if kind is CallbackKind.REVERSAL:
            return read_callback(Reversal, parameters).replayed_with(callback.fingerprint)
        return read_callback(Confirmation, parameters)
    except UnprocessableCallbackError as error:
        names = f" ({', '.join(sorted(error.errors))})" if error.errors else ""
        raise ReplayRejectedError(f"still not processable: {error.reason}{names}") from None


def process(
    table: Table, policies: PolicyProvider, message: Confirmation | Reversal, now: datetime, deadline: Deadline
) -> ConfirmationResult | ReversalResult:
    """Post or debit a message, once for all duplicates. Raises ``LedgerUnavailableError``."""
    if isinstance(message, Reversal):
        return reverse(table, message, now, deadline)
    policy = policies.get_if_available(message.site_identifier, deadline)
    return confirm(table, message, policy, now, deadline)
