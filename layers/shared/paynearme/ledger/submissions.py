"""Payments that the merchant's backend asks for: each is asked of PayNearMe once.

An intent is written before the call and what came of it after. It lies under our own identifier of the
payment, which follows from the caller's key. PayNearMe's confirmations carry that identifier, and
``confirming`` writes down, by it and by the order, what they tell: so what was lost is learned later.
"""

from datetime import datetime

from paynearme.errors import (
    BankAuthorizationExpiredError,
    IdempotencyKeyReusedError,
    PaymentFailedError,
    PaymentInProgressError,
    PaymentOutcomeUnknownError,
    RequestRejectedError,
    ServiceError,
)
from paynearme.ledger.payment_intents import PaymentIntent
from paynearme.ledger.schema import intent_key, site_payment_key
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.protocol.make_payment import SubmittedPayment

_UNCLAIMED = "attribute_not_exists(pk)"
_OWN_ATTEMPT = "attempt = :attempt"


def begin_submission(table: Table, intent: PaymentIntent, now: datetime, deadline: Deadline) -> SubmittedPayment | None:
    """Store the intent to submit a payment. Return ``None`` if the caller must submit it.

    Otherwise return the outcome of an earlier request with this key, or raise it: ``PaymentInProgressError``,
    ``IdempotencyKeyReusedError`` (other content), ``RequestRejectedError``, ``PaymentFailedError`` or
    ``PaymentOutcomeUnknownError``. Raises ``LedgerUnavailableError``. Costs 1 request for a new payment and for one
    that is submitted or in progress, 2 for all others, 3 to submit again.
    """
    request = intent.request
    values = {
        "site_identifier": intent.site_id,
        "site_payment_identifier": intent.site_payment_identifier,
        "pnm_order_identifier": request.pnm_order_identifier,
        "payment_amount": request.payment_amount,
        "fingerprint": request.fingerprint(),
        "status": "in_progress",
        "attempt": intent.attempt_id,
        "started_at": now.isoformat(),
        "lease_expires_at": intent.lease_expires_at,
    }
    key = intent_key(intent.site_id, intent.site_payment_identifier)
    existing = table.update(Update(*key, values, condition=_UNCLAIMED), deadline)
    # It is ours where only the answer to our write was lost.
    while existing is not None and existing["attempt"] != intent.attempt_id:
        if existing["fingerprint"] != values["fingerprint"]:
            raise IdempotencyKeyReusedError
        previous_payment = _resolve_existing(table, intent, existing, now, deadline)
        if previous_payment is not None:
            return previous_payment
        # What PayNearMe did not take may be asked again, by one of all who want to.
        other_attempt = {"attempt": existing["attempt"]}
        takeover = Update(*key, values, condition=_OWN_ATTEMPT, condition_values=other_attempt)
        existing = table.update(takeover, deadline)
    return None


def finish_submission(
    table: Table, intent: PaymentIntent, outcome: SubmittedPayment | ServiceError, deadline: Deadline
) -> None:
    """Store the outcome of a submission that this caller began.

    After an error other than a rejection or an unknown outcome, PayNearMe did not accept the payment: the next
    request with the same key submits it again. Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    condition_values = {"attempt": intent.attempt_id}
    key = intent_key(intent.site_id, intent.site_payment_identifier)
    change = Update(*key, _outcome_attributes(outcome), condition=_OWN_ATTEMPT, condition_values=condition_values)
    table.update(change, deadline)


def _outcome_attributes(outcome: SubmittedPayment | ServiceError) -> Item:
    match outcome:
        case SubmittedPayment():
            return {"status": "submitted", "pnm_payment_identifier": outcome.pnm_payment_identifier}
        case PaymentOutcomeUnknownError():
            return {"status": "unknown"}
        case RequestRejectedError():
            expired = isinstance(outcome, BankAuthorizationExpiredError)
            return {
                "status": "bank_authorization_expired" if expired else "rejected",
                "response_code": outcome.response_code,
                "descriptions": outcome.descriptions,
            }
    return {"status": "not_accepted"}


def _resolve_existing(
    table: Table, intent: PaymentIntent, existing: Item, now: datetime, deadline: Deadline
) -> SubmittedPayment | None:
    """Return what became of a payment that was asked for before, None for one that PayNearMe did not take.

    Raises what is no payment. A confirmation is believed before everything that PayNearMe's answer said,
    unless that was that it took the payment on: then the confirmation tells more, and GET /payments has it.
    """
    request, status = intent.request, existing["status"]
    if status == "submitted":
        return intent.to_response("submitted", existing.get("pnm_payment_identifier"))
    if status == "in_progress" and now.timestamp() < existing["lease_expires_at"]:
        raise PaymentInProgressError(int(existing["lease_expires_at"]) - int(now.timestamp()))
    confirmed = _confirmed_outcome(table, intent, deadline)
    if confirmed is not None or status == "not_accepted":
        return confirmed
    stored_rejection = (existing.get("response_code"), existing.get("descriptions", []))
    if status == "bank_authorization_expired":
        raise BankAuthorizationExpiredError(
            *stored_rejection, request.payment_method_identifier, request.pnm_order_identifier, intent.site_id
        )
    if status == "rejected":
        raise RequestRejectedError(*stored_rejection)
    raise PaymentOutcomeUnknownError(intent.site_payment_identifier)


def _confirmed_outcome(table: Table, intent: PaymentIntent, deadline: Deadline) -> SubmittedPayment | None:
    """Return the payment if a confirmation told that it was paid; raise ``PaymentFailedError`` if not."""
    order, identifier = intent.request.pnm_order_identifier, intent.site_payment_identifier
    keys = [site_payment_key(intent.site_id, order, identifier, test=test) for test in (False, True)]
    # What a test tells is only asked for where nothing else was told.
    for stored_outcome in table.read(keys, deadline):
        if "paid" in stored_outcome:
            return intent.to_response("confirmed", stored_outcome["paid"], stored_outcome["paid_amount"])
        if "declined" in stored_outcome:
            raise PaymentFailedError(identifier, stored_outcome["declined"])
    return None
