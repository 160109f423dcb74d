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
from paynearme.protocol.callbacks import Confirmation, has_outcome, is_reversal, read_callback
from paynearme.protocol.quarantine import STORED_PARAMETERS, CallbackKind, QuarantineReason
from paynearme.protocol.reversals import Reversal

_FIXED_PARAMETERS = frozenset({"site_identifier", "timestamp", "version"})


class ReplayRejectedError(Exception):
    """The callback cannot be replayed. The text contains the cause and the operator's next step, and no value."""


def read_quarantined(callback: QuarantinedCallback, changes: Mapping[str, str]) -> Confirmation | Reversal:
    """Return the message of a callback. ``changes`` replace or add parameters.

    The endpoint is not signed, so the parameters determine the type of the message. An ambiguous callback is never
    processed as received: ``changes`` must contain all its parameters. Raises ``ReplayRejectedError``.
    """
    is_other = has_outcome(callback.parameters) or is_reversal(callback.parameters)
    if callback.kind is CallbackKind.AUTHORIZATION and not is_other:
        raise ReplayRejectedError("PayNearMe already received a decline of this authorization; discard it")
    if unknown := sorted(changes.keys() - (STORED_PARAMETERS - _FIXED_PARAMETERS)):
        raise ReplayRejectedError(f"these parameters cannot be set: {', '.join(unknown)}")
    stored = callback.parameters
    if callback.reason is QuarantineReason.AMBIGUOUS_TEXT:
        if not changes:
            raise ReplayRejectedError("the signed text is ambiguous; set the parameters that PayNearMe confirms")
        stored = {name: value for name, value in stored.items() if name in _FIXED_PARAMETERS}
    if missing := sorted(set(callback.omitted_parameters) - changes.keys()):
        raise ReplayRejectedError(f"these parameters are not stored, set them: {', '.join(missing)}")
    parameters = {**stored, **changes}
    try:
        if is_reversal(parameters):
            return read_callback(Reversal, parameters).replayed_with(callback.fingerprint)
        if callback.kind is CallbackKind.REVERSAL and not has_outcome(parameters):
            return read_callback(Reversal, parameters)
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
