"""Acknowledge PayNearMe's reverse callback after the ledger stored it."""

from paynearme.handlers.callback import Callback, callback_handler
from paynearme.ledger.reversal import reverse
from paynearme.platform.dynamodb import Table
from paynearme.platform.observability import record_result
from paynearme.platform.settings import Settings
from paynearme.protocol.reversals import Reversal, ReversalResponse
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name)


def acknowledge(site: ResolvedSite, pnm_order_identifier: str) -> ReversalResponse:
    """Return the acknowledgement, which is equal for duplicates. The site's settings contain its names."""
    return ReversalResponse(
        envelope=site.reverse_envelope, element=site.reverse_element, pnm_order_identifier=pnm_order_identifier
    )


@callback_handler("reverse", Reversal, settings, sites, table, acknowledge=acknowledge)
def handler(callback: Callback[Reversal]) -> ReversalResponse:
    """Debit the reversed amount once, and acknowledge it. A duplicate receives the same response."""
    record_result(reverse(table, callback.message, callback.received_at, callback.deadline))
    return acknowledge(callback.site, callback.message.pnm_order_identifier)
