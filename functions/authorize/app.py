"""Answers PayNearMe's authorization callback, which asks whether a payment may happen."""

from collections.abc import Mapping
from datetime import datetime

from paynearme import telemetry
from paynearme.gateway import Callback, callback_handler
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, AuthorizationResponse
from paynearme.payments import fallback_decline
from paynearme.policies import PolicyProvider
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
ledger = Ledger(Table(settings.table_name))


def fallback_response(parameters: Mapping[str, str], now: datetime) -> AuthorizationResponse:
    """Decline what cannot be decided now. Raises ``KeyError`` and ``ValueError`` where nothing is named."""
    result = fallback_decline(policies.fallback_text, parameters, now)
    response = result.to_response(parameters["pnm_order_identifier"])
    telemetry.record_result(result)
    return response


@callback_handler("authorize", Authorization, settings, sites, fallback=fallback_response)
def handler(callback: Callback[Authorization]) -> AuthorizationResponse:
    """Record the decision, once, and answer with it."""
    policy = policies.get(callback.site.identifier, callback.deadline)
    result = ledger.authorize(callback.message, policy, callback.received_at, callback.deadline)
    telemetry.record_result(result)
    return result.to_response(callback.message.pnm_order_identifier)
