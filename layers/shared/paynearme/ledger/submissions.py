"""Store intents to submit payments and their outcomes, so that each payment is submitted once.

The intent is stored before the request to PayNearMe, and the outcome after it. The key of both is the merchant's
identifier of the payment, which is derived from the caller's ``Idempotency-Key``. PayNearMe's confirmations contain
this identifier, and ``confirmation`` stores their outcome under it and the order. So a lost response is resolved later.
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
from paynearme.ledger.schema import intent_key, site_payment_key, stored_time
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
    that is in progress, 2 for all others, 3 to submit again.
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
        "started_at": stored_time(now),
        "lease_expires_at": intent.lease_expires_at,
    }
    key = intent_key(intent.site_id, intent.site_payment_identifier)
    existing = table.update(Update(*key, values, condition=_UNCLAIMED), deadline)
    # After a lost response, the existing item is the write of this call itself.
    while existing is not None and existing["attempt"] != intent.attempt_id:
        if existing["fingerprint"] != values["fingerprint"]:
            raise IdempotencyKeyReusedError
        previous_payment = _resolve_existing(table, intent, existing, now, deadline)
        if previous_payment is not None:
            return previous_payment
        # PayNearMe did not accept the payment: one of the concurrent callers submits it again.
        other_attempt = {"attempt": existing["attempt"]}
        takeover = Update(*key, values, condition=_OWN_ATTEMPT, condition_values=other_attempt)
        existing = table.update(takeover, deadline)
    return None


def finish_submission(
    table: Table, intent: PaymentIntent, outcome: SubmittedPayment | ServiceError, deadline: Deadline
) -> None:
    """Store the outcome of this caller's submission.

    After an error other than a rejection or an unknown outcome, PayNearMe did not accept the payment. The next request
    with the same key submits it again. Raises ``LedgerUnavailableError``. Costs 1 request.
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
            # The texts are stored for retries. The client has redacted the personal data of the request.
            texts = {"response_code": outcome.response_code, "descriptions": outcome.descriptions}
            if isinstance(outcome, PaymentFailedError):
                return {"status": "failed", "pnm_payment_identifier": outcome.pnm_payment_identifier, **texts}
            expired = isinstance(outcome, BankAuthorizationExpiredError)
            return {"status": "bank_authorization_expired" if expired else "rejected", **texts}
    return {"status": "not_accepted"}


def _resolve_existing(
    table: Table, intent: PaymentIntent, existing: Item, now: datetime, deadline: Deadline
) -> SubmittedPayment | None:
    """Return the outcome of an earlier request with this key, or ``None`` if PayNearMe did not accept it.

    Raises the stored error of a failed request. A confirmation overrides the stored response. But a submitted payment
    that is paid stays ``submitted``: then ``GET /payments`` returns the confirmed outcome.
    """
    request, status = intent.request, existing["status"]
    if status == "in_progress" and now.timestamp() < existing["lease_expires_at"]:
        raise PaymentInProgressError(int(existing["lease_expires_at"]) - int(now.timestamp()))
    confirmed = _confirmed_outcome(table, intent, existing, deadline)
    submitted_payment = existing.get("pnm_payment_identifier")
    if status == "submitted" and (confirmed is None or submitted_payment in (None, confirmed.pnm_payment_identifier)):
        return intent.to_response("submitted", submitted_payment)
    if confirmed is not None or status == "not_accepted":
        return confirmed
    stored_rejection = _stored_rejection(existing)
    if status == "failed":
        raise PaymentFailedError(intent.site_payment_identifier, submitted_payment, *stored_rejection)
    if status == "bank_authorization_expired":
        raise BankAuthorizationExpiredError(
            *stored_rejection, request.payment_method_identifier, request.pnm_order_identifier, intent.site_id
        )
    if status == "rejected":
        raise RequestRejectedError(*stored_rejection)
    raise PaymentOutcomeUnknownError(intent.site_payment_identifier)


def _confirmed_outcome(
    table: Table, intent: PaymentIntent, existing: Item, deadline: Deadline
) -> SubmittedPayment | None:
    """Return the payment if it is confirmed as paid. Raise ``PaymentFailedError`` if it is confirmed as declined.

    If the submitted payment is known, the decline of another one with the same identifier of the merchant is ignored.
    """
    order, identifier = intent.request.pnm_order_identifier, intent.site_payment_identifier
    keys = [site_payment_key(intent.site_id, order, identifier, test=test) for test in (False, True)]
    # The outcome of a test payment counts only without another outcome.
    for stored_outcome in table.read(keys, deadline):
        if "paid" in stored_outcome:
            return intent.to_response("confirmed", stored_outcome["paid"], stored_outcome["paid_amount"])
        declined_payments = stored_outcome.get("declined_payments", set())
        failed_payment = existing.get("pnm_payment_identifier", min(declined_payments, default=None))
        if failed_payment in declined_payments:
            raise PaymentFailedError(identifier, failed_payment, *_stored_rejection(existing))
    return None


def _stored_rejection(existing: Item) -> tuple[str | None, list[str]]:
    """Return PayNearMe's code and descriptions in its response to the submission."""
    return existing.get("response_code"), existing.get("descriptions", [])
