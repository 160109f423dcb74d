"""POST /smart-tokens: get a Smart Token from PayNearMe."""

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
tokens = AccessTokens(settings, Table(settings.table_name))
client = PayNearMeClient(settings.paynearme_base_url, tokens)


@api_handler("get_smart_token", {"POST": SmartTokenRequest}, settings, sites)
def handler(request: ApiRequest[SmartTokenRequest]) -> SmartTokenResponse:
    """Call PayNearMe, and return the orders with their Smart Tokens."""
    return client.get_smart_token(request.site, request.message, request.deadline)
