"""POST /payment-methods/find: return the payment methods that a customer has saved at PayNearMe."""

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
tokens = AccessTokens(settings, Table(settings.table_name))
client = PayNearMeClient(settings.paynearme_base_url, tokens)


@api_handler("find_payment_methods", {"POST": FindPaymentMethodsRequest}, settings, sites)
def handler(request: ApiRequest[FindPaymentMethodsRequest]) -> PaymentMethods:
    """Call PayNearMe, and return the saved payment methods."""
    return client.find_payment_methods(request.site, request.message, request.deadline)
