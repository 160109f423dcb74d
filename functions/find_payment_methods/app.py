"""Tells the app's backend which payment methods a customer has saved at PayNearMe."""

from paynearme import gateway
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.messages.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
tokens = AccessTokens(settings, Table(settings.table_name))
paynearme = PayNearMeClient(settings.paynearme_base_url, tokens)


@gateway.backend_call("find_payment_methods", {"POST": FindPaymentMethodsRequest}, settings, sites)
def handler(call: gateway.Call[FindPaymentMethodsRequest]) -> PaymentMethods:
    """Call PayNearMe, and return the saved methods."""
    return paynearme.find_payment_methods(call.site, call.request, call.deadline)
