"""Makes a payment with a payment method that the customer has saved at PayNearMe, once."""

from paynearme import gateway
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.ledger import Ledger
from paynearme.making import make_once
from paynearme.messages.make_payment import SubmittedPayment, MakePaymentRequest
from paynearme.settings import Settings, Sites
from paynearme.table import SHORT_ATTEMPT_SECONDS, Table

settings = Settings.from_environment()
sites = Sites(settings)
table = Table(settings.table_name, longest_attempt=SHORT_ATTEMPT_SECONDS)
paynearme = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))
ledger = Ledger(table)


@gateway.backend_call("make_payment", {"POST": MakePaymentRequest}, settings, sites)
def handler(call: gateway.Call[MakePaymentRequest]) -> SubmittedPayment:
    """Make the payment unless it was made before, and return what became of it."""
    return make_once(call.request, call.site, paynearme, ledger, call.received_at, call.deadline)
