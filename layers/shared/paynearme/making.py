"""A payment is made once, however often and by how many at once it is asked for."""

from datetime import datetime

from paynearme import telemetry
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError, ServiceError
from paynearme.intents import Intent
from paynearme.ledger import Ledger
from paynearme.messages.make_payment import SubmittedPayment, MakePaymentRequest
from paynearme.settings import KnownSite
from paynearme.table import FOR_A_SHORT_ATTEMPT_SECONDS


def make_once(
    request: MakePaymentRequest,
    site: KnownSite,
    paynearme: PayNearMeClient,
    ledger: Ledger,
    now: datetime,
    deadline: Deadline,
) -> SubmittedPayment:
    """Ask PayNearMe for a payment, unless it was asked before; return what became of it.

    Raises what ``PayNearMeClient.make_payment`` and ``Ledger.begin_payment`` raise. An outcome that cannot
    be written down is told all the same: for the next call it is unknown until PayNearMe confirms it.
    """
    intent = Intent.of(site.identifier, request, now)
    telemetry.note(
        pnm_order_identifier=request.pnm_order_identifier,
        site_payment_identifier=intent.site_payment_identifier,
    )
    known = ledger.begin_payment(intent, now, deadline)
    if known is not None:
        telemetry.note(duplicate=True, pnm_payment_identifier=known.pnm_payment_identifier)
        return known
    outcome = _ask(intent, site, paynearme, deadline.sooner(FOR_A_SHORT_ATTEMPT_SECONDS))
    try:
        ledger.end_payment(intent, outcome, deadline)
    except LedgerUnavailableError:
        telemetry.count("PaymentOutcomeWriteFailed")
    if isinstance(outcome, ServiceError):
        raise outcome
    telemetry.note(pnm_payment_identifier=outcome.pnm_payment_identifier)
    return outcome


def _ask(
    intent: Intent, site: KnownSite, paynearme: PayNearMeClient, deadline: Deadline
) -> SubmittedPayment | ServiceError:
    try:
        told = paynearme.make_payment(site, intent.request, intent.site_payment_identifier, deadline)
    except ServiceError as error:
        return error
    return intent.made("submitted", told)
