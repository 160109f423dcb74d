"""Creates an order at PayNearMe, and lets authorizations know it."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.telling import log_order_identifiers
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.ledger import Ledger
from paynearme.messages.create_order import CreateOrderResponse, CreateOrderRequest
from paynearme.settings import Settings, SiteProvider
from paynearme.table import SHORT_ATTEMPT_THRESHOLD_SECONDS, SHORT_ATTEMPT_SECONDS, Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name, max_attempt=SHORT_ATTEMPT_SECONDS)
client = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))
ledger = Ledger(table)


@api_handler("create_order", {"POST": CreateOrderRequest}, settings, sites)
def handler(request: ApiRequest[CreateOrderRequest]) -> CreateOrderResponse:
    """Create the order, write it down, and return it."""
    call_deadline = request.deadline.minus(SHORT_ATTEMPT_THRESHOLD_SECONDS)
    response = client.create_order(request.site, request.message, call_deadline)
    # It exists, whatever comes now.
    log_order_identifiers(response)
    ledger.record_created_order(request.site.identifier, request.message, response.order, request.received_at, request.deadline)
    return response
