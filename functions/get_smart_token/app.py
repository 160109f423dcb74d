"""Gives the app's backend a Smart Token from PayNearMe."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.messages import SmartTokenResponse, SmartTokenRequest
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
access_tokens = AccessTokens(settings, Table(settings.table_name))
client = PayNearMeClient(settings.paynearme_base_url, access_tokens)


@api_handler("get_smart_token", {"POST": SmartTokenRequest}, settings, sites)
def handler(request: ApiRequest[SmartTokenRequest]) -> SmartTokenResponse:
    """Call PayNearMe, and return its orders."""
    return client.get_smart_token(request.site, request.message, request.deadline)
