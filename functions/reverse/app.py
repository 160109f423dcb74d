"""Acknowledges PayNearMe's reverse callback once what came back is durable."""

from paynearme import telemetry
from paynearme.gateway import Callback, callback_handler
from paynearme.ledger import Ledger
from paynearme.messages import Reversal, ReversalResponse
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
ledger = Ledger(Table(settings.table_name))


@callback_handler("reverse", Reversal, settings, sites)
def handler(callback: Callback[Reversal]) -> ReversalResponse:
    """Take back what came back, once, and acknowledge it: the same words for each repeat."""
    telemetry.record_result(ledger.reverse(callback.message, callback.received_at, callback.deadline))
    return ReversalResponse(
        envelope=callback.site.reverse_envelope,
        element=callback.site.reverse_element,
        pnm_order_identifier=callback.message.pnm_order_identifier,
    )
