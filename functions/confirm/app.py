"""Acknowledge PayNearMe's confirmation callback after the ledger stored it."""

from paynearme.handlers.callback import Callback, callback_handler
from paynearme.handlers.certification_hooks import apply_hook
from paynearme.ledger.confirmation import confirm
from paynearme.platform.dynamodb import Table
from paynearme.platform.observability import record_result
from paynearme.platform.settings import Settings
from paynearme.policy_provider import PolicyProvider
from paynearme.protocol.callbacks import Confirmation, ConfirmationResponse
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
table = Table(settings.table_name)
certification_hook = apply_hook if settings.certification_hooks else None


def acknowledge(site: ResolvedSite, pnm_order_identifier: str) -> ConfirmationResponse:
    """Return the acknowledgement, which is equal for duplicates."""
    return ConfirmationResponse(pnm_order_identifier=pnm_order_identifier)


@callback_handler(
    "confirm", Confirmation, settings, sites, table, acknowledge=acknowledge, transform_response=certification_hook
)
def handler(callback: Callback[Confirmation]) -> ConfirmationResponse:
    """Post the payment once, and acknowledge it. A duplicate receives the same response."""
    policy = policies.get_if_available(callback.site.identifier, callback.deadline)
    record_result(confirm(table, callback.message, policy, callback.received_at, callback.deadline))
    return acknowledge(callback.site, callback.message.pnm_order_identifier)
