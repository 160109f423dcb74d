"""GET and PUT /orders: an order as authorizations use it."""

from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.ledger.merchant_data import put_order
from paynearme.ledger.queries import get_order
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.protocol.api_responses import OrderResponse
from paynearme.protocol.merchant_input import OrderInput, OrderRequest
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name)


@api_handler("orders", {"GET": OrderRequest, "PUT": OrderInput}, settings, sites)
def handler(request: ApiRequest[OrderRequest]) -> OrderResponse | None:
    """Put the order, if requested, and return it."""
    message = request.message
    if isinstance(message, OrderInput):
        return put_order(table, message, request.received_at, request.deadline)
    return get_order(table, request.site.identifier, message.pnm_order_identifier, request.deadline)
