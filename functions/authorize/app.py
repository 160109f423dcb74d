"""Answers PayNearMe's authorization callback, which asks whether a payment may happen."""

from collections.abc import Mapping
from datetime import datetime

from paynearme import gateway, telemetry
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, AuthorizationResponse
from paynearme.payments import unheard
from paynearme.policies import Policies
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
policies = Policies(settings)
ledger = Ledger(Table(settings.table_name))


def decline(parameters: Mapping[str, str], now: datetime) -> AuthorizationResponse:
    """Decline what cannot be decided now. Raises ``KeyError`` and ``ValueError`` where nothing is named."""
    declined = unheard(policies.text_without_decision, parameters, now)
    answer = declined.to_answer(parameters["pnm_order_identifier"])
    telemetry.tell(declined)
    return answer


@gateway.callback("authorize", Authorization, settings, sites, when_unavailable=decline)
def handler(callback: gateway.Callback[Authorization]) -> AuthorizationResponse:
    """Record the decision, once, and answer with it."""
    policy = policies.find(callback.site.identifier, callback.deadline)
    authorized = ledger.authorize(callback.message, policy, callback.received_at, callback.deadline)
    telemetry.tell(authorized)
    return authorized.to_answer(callback.message.pnm_order_identifier)
