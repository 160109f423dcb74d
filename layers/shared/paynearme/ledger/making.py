"""Payments that the merchant's backend asks for: each is asked of PayNearMe once.

An intent is written before the call and what came of it after. It lies under our own identifier of the
payment, which follows from the caller's key. PayNearMe's confirmations carry that identifier, and
``confirming`` writes down, by it and by the order, what they tell: so what was lost is learned later.
"""

from datetime import datetime

from paynearme.deadline import Deadline
from paynearme.errors import (
    BankAuthorizationExpiredError,
    IdempotencyKeyReusedError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    PaymentInProgressError,
    ServiceError,
    RequestRejectedError,
)
from paynearme.intents import Intent
from paynearme.ledger.items import intent_key, site_payment_key
from paynearme.messages.make_payment import SubmittedPayment
from paynearme.table import Item, Table, Update

_NOBODYS = "attribute_not_exists(pk)"
_OF_ATTEMPT = "attempt = :attempt"


def begin(table: Table, intent: Intent, now: datetime, deadline: Deadline) -> SubmittedPayment | None:
    """See ``Ledger.begin_payment``."""
    request = intent.request
    values = {
        "site_identifier": intent.site,
        "site_payment_identifier": intent.site_payment_identifier,
        "pnm_order_identifier": request.pnm_order_identifier,
        "payment_amount": request.payment_amount,
        "fingerprint": request.fingerprint(),
        "status": "in_progress",
        "attempt": intent.attempt,
        "started_at": now.isoformat(),
        "lease_expires_at": intent.lease_expires_at,
    }
    key = intent_key(intent.site, intent.site_payment_identifier)
    known = table.update(Update(*key, values, condition=_NOBODYS), deadline)
    # It is ours where only the answer to our write was lost.
    while known is not None and known["attempt"] != intent.attempt:
        if known["fingerprint"] != values["fingerprint"]:
            raise IdempotencyKeyReusedError
        made = _became(table, intent, known, now, deadline)
        if made is not None:
            return made
        # What PayNearMe did not take may be asked again, by one of all who want to.
        theirs = {"attempt": known["attempt"]}
        again = Update(*key, values, condition=_OF_ATTEMPT, condition_values=theirs)
        known = table.update(again, deadline)
    return None


def end(table: Table, intent: Intent, outcome: SubmittedPayment | ServiceError, deadline: Deadline) -> None:
    """See ``Ledger.end_payment``."""
    ours = {"attempt": intent.attempt}
    key = intent_key(intent.site, intent.site_payment_identifier)
    change = Update(*key, _values(outcome), condition=_OF_ATTEMPT, condition_values=ours)
    table.update(change, deadline)


def _values(outcome: SubmittedPayment | ServiceError) -> Item:
    match outcome:
        case SubmittedPayment():
            return {"status": "submitted", "pnm_payment_identifier": outcome.pnm_payment_identifier}
        case PaymentOutcomeUnknownError():
            return {"status": "unknown"}
        case RequestRejectedError():
            expired = isinstance(outcome, BankAuthorizationExpiredError)
            return {
                "status": "bank_authorization_expired" if expired else "refused",
                "response_code": outcome.response_code,
                "descriptions": outcome.descriptions,
            }
    return {"status": "not_accepted"}


def _became(
    table: Table, intent: Intent, known: Item, now: datetime, deadline: Deadline
) -> SubmittedPayment | None:
    """Return what became of a payment that was asked for before, None for one that PayNearMe did not take.

    Raises what is no payment. A confirmation is believed before everything that PayNearMe's answer said,
    unless that was that it took the payment on: then the confirmation tells more, and GET /payments has it.
    """
    request, status = intent.request, known["status"]
    if status == "submitted":
        return intent.made("submitted", known.get("pnm_payment_identifier"))
    if status == "in_progress" and now.timestamp() < known["lease_expires_at"]:
        raise PaymentInProgressError(int(known["lease_expires_at"]) - int(now.timestamp()))
    confirmed = _confirmed(table, intent, deadline)
    if confirmed is not None or status == "not_accepted":
        return confirmed
    refusal = (known.get("response_code"), known.get("descriptions", []))
    if status == "bank_authorization_expired":
        raise BankAuthorizationExpiredError(
            *refusal, request.payment_method_identifier, request.pnm_order_identifier, intent.site
        )
    if status == "refused":
        raise RequestRejectedError(*refusal)
    raise PaymentOutcomeUnknownError(intent.site_payment_identifier)


def _confirmed(table: Table, intent: Intent, deadline: Deadline) -> SubmittedPayment | None:
    """Return the payment if a confirmation told that it was paid; raise ``PaymentFailedError`` if not."""
    order, identifier = intent.request.pnm_order_identifier, intent.site_payment_identifier
    keys = [site_payment_key(intent.site, order, identifier, test=test) for test in (False, True)]
    # What a test tells is only asked for where nothing else was told.
    for told in table.read(keys, deadline):
        if "paid" in told:
            return intent.made("confirmed", told["paid"], told["paid_amount"])
        if "declined" in told:
            raise PaymentFailedError(identifier, told["declined"])
    return None
