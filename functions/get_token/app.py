"""Gives the app's backend a Smart Token from PayNearMe."""

from paynearme import gateway
from paynearme.client import PayNearMeClient
from paynearme.messages import SmartTokenAnswer, SmartTokenRequest
from paynearme.settings import Settings, Sites

settings = Settings.from_environment()
sites = Sites(settings)
paynearme = PayNearMeClient(settings.paynearme_base_url)


@gateway.backend_call("get_token", {"POST": SmartTokenRequest}, settings, sites)
def handler(call: gateway.Call[SmartTokenRequest]) -> SmartTokenAnswer:
    """Sign the request, call PayNearMe, and return its orders."""
    return paynearme.get_smart_token(call.site, call.request, call.deadline)
