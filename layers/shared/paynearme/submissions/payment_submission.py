"""Submit a payment to PayNearMe once, also for retries and concurrent requests."""

from datetime import datetime

from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import LedgerUnavailableError, ServiceError
from paynearme.ledger.payment_intents import PaymentIntent
from paynearme.ledger.submissions import begin_submission, finish_submission
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import SHORT_ATTEMPT_THRESHOLD_SECONDS, Table
from paynearme.platform.observability import add_log_fields, add_metric
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.sites.site import ResolvedSite


def submit_once(
    request: MakePaymentRequest,
    site: ResolvedSite,
    client: PayNearMeClient,
    table: Table,
    now: datetime,
    deadline: Deadline,
) -> SubmittedPayment:
    """Submit a payment to PayNearMe, or return the outcome of an earlier request with the same key.

    Raises the errors of ``PayNearMeClient.make_payment`` and of ``begin_submission``. If the outcome cannot be stored,
    it is still returned or raised, because it is true. A retry cannot find it until PayNearMe confirms it.
    """
    intent = PaymentIntent.create(site.identifier, request, now)
    add_log_fields(
        pnm_order_identifier=request.pnm_order_identifier, site_payment_identifier=intent.site_payment_identifier
    )
    stored_outcome = begin_submission(table, intent, now, deadline)
    if stored_outcome is not None:
        add_log_fields(duplicate=True, pnm_payment_identifier=stored_outcome.pnm_payment_identifier)
        return stored_outcome
    outcome = _submit(intent, site, client, deadline.minus(SHORT_ATTEMPT_THRESHOLD_SECONDS))
    try:
        finish_submission(table, intent, outcome, deadline)
    except LedgerUnavailableError:
        add_metric("PaymentOutcomeWriteFailed")
    if isinstance(outcome, ServiceError):
        raise outcome
    add_log_fields(pnm_payment_identifier=outcome.pnm_payment_identifier)
    return outcome


def _submit(
    intent: PaymentIntent, site: ResolvedSite, client: PayNearMeClient, deadline: Deadline
) -> SubmittedPayment | ServiceError:
    try:
        pnm_payment_identifier = client.make_payment(site, intent.request, intent.site_payment_identifier, deadline)
    except ServiceError as error:
        return error
    return intent.to_response("submitted", pnm_payment_identifier)
