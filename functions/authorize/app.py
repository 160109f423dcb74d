"""Answers PayNearMe's authorization callback, which asks whether a payment may happen."""

from paynearme import gateway, telemetry
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, AuthorizationAnswer
from paynearme.payments import unheard
from paynearme.policy import decide
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
ledger = Ledger(Table(settings.table_name))


@gateway.callback("authorize", Authorization, settings, sites, when_unavailable=unheard)
def handler(callback: gateway.Callback[Authorization]) -> AuthorizationAnswer:
    """Record the decision, once, and answer with it."""
    authorized = ledger.authorize(callback.message, decide, callback.received_at, callback.deadline)
    telemetry.tell(authorized)
    return authorized.to_answer(callback.message.pnm_order_identifier)
