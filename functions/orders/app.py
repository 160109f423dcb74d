"""Takes what the merchant's backend says of orders, and tells it."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.ledger import Ledger
from paynearme.messages.entries import OrderInput, OrderRequest
from paynearme.messages.records import OrderResponse
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
ledger = Ledger(Table(settings.table_name))


@api_handler("orders", {"GET": OrderRequest, "PUT": OrderInput}, settings, sites)
def handler(request: ApiRequest[OrderRequest]) -> OrderResponse | None:
    """Record the order, if the call feeds one, and answer with it."""
    if isinstance(request.message, OrderInput):
        return ledger.put_order(request.message, request.received_at, request.deadline)
    return ledger.order(request.site.identifier, request.message.pnm_order_identifier, request.deadline)
