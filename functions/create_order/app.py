"""Creates an order at PayNearMe, and lets authorizations know it."""

from paynearme import gateway, telling
from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.ledger import Ledger
from paynearme.messages.create_order import CreateOrderResponse, CreateOrderRequest
from paynearme.settings import Settings, Sites
from paynearme.table import FOR_A_SHORT_ATTEMPT_SECONDS, SHORT_ATTEMPT_SECONDS, Table

settings = Settings.from_environment()
sites = Sites(settings)
table = Table(settings.table_name, longest_attempt=SHORT_ATTEMPT_SECONDS)
paynearme = PayNearMeClient(settings.paynearme_base_url, AccessTokens(settings, table))
ledger = Ledger(table)


@gateway.backend_call("create_order", {"POST": CreateOrderRequest}, settings, sites)
def handler(call: gateway.Call[CreateOrderRequest]) -> CreateOrderResponse:
    """Create the order, write it down, and return it."""
    sooner = call.deadline.sooner(FOR_A_SHORT_ATTEMPT_SECONDS)
    answer = paynearme.create_order(call.site, call.request, sooner)
    # It exists, whatever comes now.
    telling.orders_in(answer)
    ledger.add_order(call.site.identifier, call.request, answer.order, call.received_at, call.deadline)
    return answer
