"""POST /orders: create an order at PayNearMe, and record it for authorizations."""

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.handlers.log_identifiers import log_order_identifiers
from paynearme.ledger.merchant_data import record_created_order
from paynearme.platform.dynamodb import SHORT_ATTEMPT_SECONDS, SHORT_ATTEMPT_THRESHOLD_SECONDS, Table
from paynearme.platform.settings import Settings
from paynearme.protocol.create_order import CreateOrderRequest, CreateOrderResponse
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name, max_attempt=SHORT_ATTEMPT_SECONDS)
client = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))


@api_handler("create_order", {"POST": CreateOrderRequest}, settings, sites)
def handler(request: ApiRequest[CreateOrderRequest]) -> CreateOrderResponse:
    """Create the order, record it, and return it."""
    call_deadline = request.deadline.minus(SHORT_ATTEMPT_THRESHOLD_SECONDS)
    response = client.create_order(request.site, request.message, call_deadline)
    # Logged before the order is recorded, because it exists from now on.
    log_order_identifiers(response)
    site_id = request.site.identifier
    record_created_order(table, site_id, request.message, response.order, request.received_at, request.deadline)
    return response
