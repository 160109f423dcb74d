"""Tells the app's backend which payment methods a customer has saved at PayNearMe."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.messages.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
access_tokens = AccessTokens(settings, Table(settings.table_name))
client = PayNearMeClient(settings.paynearme_base_url, access_tokens)


@api_handler("find_payment_methods", {"POST": FindPaymentMethodsRequest}, settings, sites)
def handler(request: ApiRequest[FindPaymentMethodsRequest]) -> PaymentMethods:
    """Call PayNearMe, and return the saved methods."""
    return client.find_payment_methods(request.site, request.message, request.deadline)
