"""POST /payments: submit a payment with a saved payment method, once for each Idempotency-Key."""

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.platform.dynamodb import SHORT_ATTEMPT_SECONDS, Table
from paynearme.platform.settings import Settings
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.sites.site_provider import SiteProvider
from paynearme.submissions.payment_submission import submit_once

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name, max_attempt=SHORT_ATTEMPT_SECONDS)
client = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))


@api_handler("make_payment", {"POST": MakePaymentRequest}, settings, sites)
def handler(request: ApiRequest[MakePaymentRequest]) -> SubmittedPayment:
    """Submit the payment, or return the outcome of an earlier request with the same key."""
    return submit_once(request.message, request.site, client, table, request.received_at, request.deadline)
