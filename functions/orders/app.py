"""Takes what the merchant's backend says of orders, and tells it."""

from paynearme import gateway
from paynearme.ledger import Ledger
from paynearme.messages.entries import OrderInput, OrderRequest
from paynearme.messages.records import OrderResponse
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
ledger = Ledger(Table(settings.table_name))


@gateway.backend_call("orders", {"GET": OrderRequest, "PUT": OrderInput}, settings, sites)
def handler(call: gateway.Call[OrderRequest]) -> OrderResponse | None:
    """Record the order, if the call feeds one, and answer with it."""
    if isinstance(call.request, OrderInput):
        return ledger.put_order(call.request, call.received_at, call.deadline)
    return ledger.order(call.site.identifier, call.request.pnm_order_identifier, call.deadline)
