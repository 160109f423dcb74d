"""Gives the app's backend a Smart Token from PayNearMe."""

from paynearme import gateway
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.messages import SmartTokenResponse, SmartTokenRequest
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
tokens = AccessTokens(settings, Table(settings.table_name))
paynearme = PayNearMeClient(settings.paynearme_base_url, tokens)


@gateway.backend_call("get_smart_token", {"POST": SmartTokenRequest}, settings, sites)
def handler(call: gateway.Call[SmartTokenRequest]) -> SmartTokenResponse:
    """Call PayNearMe, and return its orders."""
    return paynearme.get_smart_token(call.site, call.request, call.deadline)
