"""Answers PayNearMe's authorization callback, which asks whether a payment may happen."""

from functools import partial

from paynearme import gateway, telemetry
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, AuthorizationAnswer
from paynearme.payments import unheard
from paynearme.policies import Policies
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
policies = Policies(settings)
ledger = Ledger(Table(settings.table_name))
decline = partial(unheard, policies.text_without_decision)


@gateway.callback("authorize", Authorization, settings, sites, when_unavailable=decline)
def handler(callback: gateway.Callback[Authorization]) -> AuthorizationAnswer:
    """Record the decision, once, and answer with it."""
    policy = policies.find(callback.site.identifier, callback.deadline)
    authorized = ledger.authorize(callback.message, policy, callback.received_at, callback.deadline)
    telemetry.tell(authorized)
    return authorized.to_answer(callback.message.pnm_order_identifier)
