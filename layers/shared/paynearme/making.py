"""A payment is made once, however often and by how many at once it is asked for."""

from datetime import datetime

from paynearme import telemetry
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError, ServiceError
from paynearme.intents import PaymentIntent
from paynearme.ledger import Ledger
from paynearme.messages.make_payment import SubmittedPayment, MakePaymentRequest
from paynearme.settings import ResolvedSite
from paynearme.table import SHORT_ATTEMPT_THRESHOLD_SECONDS


def submit_once(
    request: MakePaymentRequest,
    site: ResolvedSite,
    client: PayNearMeClient,
    ledger: Ledger,
    now: datetime,
    deadline: Deadline,
) -> SubmittedPayment:
    """Ask PayNearMe for a payment, unless it was asked before; return what became of it.

    Raises what ``PayNearMeClient.make_payment`` and ``Ledger.begin_submission`` raise. An outcome that cannot
    be written down is told all the same: for the next call it is unknown until PayNearMe confirms it.
    """
    intent = PaymentIntent.create(site.identifier, request, now)
    telemetry.add_log_fields(
        pnm_order_identifier=request.pnm_order_identifier,
        site_payment_identifier=intent.site_payment_identifier,
    )
    stored_outcome = ledger.begin_submission(intent, now, deadline)
    if stored_outcome is not None:
        telemetry.add_log_fields(duplicate=True, pnm_payment_identifier=stored_outcome.pnm_payment_identifier)
        return stored_outcome
    outcome = _submit(intent, site, client, deadline.minus(SHORT_ATTEMPT_THRESHOLD_SECONDS))
    try:
        ledger.finish_submission(intent, outcome, deadline)
    except LedgerUnavailableError:
        telemetry.add_metric("PaymentOutcomeWriteFailed")
    if isinstance(outcome, ServiceError):
        raise outcome
    telemetry.add_log_fields(pnm_payment_identifier=outcome.pnm_payment_identifier)
    return outcome


def _submit(
    intent: PaymentIntent, site: ResolvedSite, client: PayNearMeClient, deadline: Deadline
) -> SubmittedPayment | ServiceError:
    try:
        pnm_payment_identifier = client.make_payment(site, intent.request, intent.site_payment_identifier, deadline)
    except ServiceError as error:
        return error
    return intent.to_response("submitted", pnm_payment_identifier)
