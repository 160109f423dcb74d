"""Makes a payment with a payment method that the customer has saved at PayNearMe, once."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.ledger import Ledger
from paynearme.making import submit_once
from paynearme.messages.make_payment import SubmittedPayment, MakePaymentRequest
from paynearme.settings import Settings, SiteProvider
from paynearme.table import SHORT_ATTEMPT_SECONDS, Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name, max_attempt=SHORT_ATTEMPT_SECONDS)
client = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))
ledger = Ledger(table)


@api_handler("make_payment", {"POST": MakePaymentRequest}, settings, sites)
def handler(request: ApiRequest[MakePaymentRequest]) -> SubmittedPayment:
    """Make the payment unless it was made before, and return what became of it."""
    return submit_once(request.message, request.site, client, ledger, request.received_at, request.deadline)
