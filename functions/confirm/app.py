"""Acknowledges PayNearMe's confirmation callback once what it tells is durable."""

from paynearme import certification, gateway, telemetry
from paynearme.ledger import Ledger
from paynearme.messages import Confirmation, ConfirmationResponse
from paynearme.policies import Policies
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
policies = Policies(settings)
ledger = Ledger(Table(settings.table_name))
rehearsals = certification.rehearsals(on=settings.certification_hooks)


@gateway.callback("confirm", Confirmation, settings, sites, afterwards=rehearsals)
def handler(callback: gateway.Callback[Confirmation]) -> ConfirmationResponse:
    """Post the payment, once, and acknowledge it: the same words for the first time and for each repeat."""
    policy = policies.find_quickly(callback.site.identifier, callback.deadline)
    confirmed = ledger.confirm(callback.message, policy, callback.received_at, callback.deadline)
    telemetry.tell(confirmed)
    return ConfirmationResponse(pnm_order_identifier=callback.message.pnm_order_identifier)
