"""Acknowledges PayNearMe's confirmation callback once what it tells is durable."""

from paynearme import certification, telemetry
from paynearme.gateway import Callback, callback_handler
from paynearme.ledger import Ledger
from paynearme.messages import Confirmation, ConfirmationResponse
from paynearme.policies import PolicyProvider
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
ledger = Ledger(Table(settings.table_name))
certification_hook = certification.rehearsals(on=settings.certification_hooks)


@callback_handler("confirm", Confirmation, settings, sites, transform_response=certification_hook)
def handler(callback: Callback[Confirmation]) -> ConfirmationResponse:
    """Post the payment, once, and acknowledge it: the same words for the first time and for each repeat."""
    policy = policies.get_cached(callback.site.identifier, callback.deadline)
    result = ledger.confirm(callback.message, policy, callback.received_at, callback.deadline)
    telemetry.record_result(result)
    return ConfirmationResponse(pnm_order_identifier=callback.message.pnm_order_identifier)
