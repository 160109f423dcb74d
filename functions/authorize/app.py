"""Respond to PayNearMe's authorization callback with a decision (PayNearMe docs, Using Authorization Callbacks)."""

from collections.abc import Mapping
from datetime import datetime

from paynearme.handlers.authentication import Callback
from paynearme.handlers.callback import callback_handler
from paynearme.ledger.authorization import authorize
from paynearme.ledger.results import fallback_decline
from paynearme.platform.dynamodb import Table
from paynearme.platform.observability import record_result
from paynearme.platform.settings import Settings
from paynearme.policy_provider import PolicyProvider
from paynearme.protocol.callbacks import Authorization, AuthorizationResponse
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
table = Table(settings.table_name)


def fallback_response(parameters: Mapping[str, str], now: datetime) -> AuthorizationResponse:
    """Decline without a decision. Raises ``KeyError`` or ``ValueError`` if the parameters name no order or site."""
    declined = fallback_decline(policies.fallback_text, parameters, now)
    response = declined.to_response(parameters["pnm_order_identifier"])
    record_result(declined)
    return response


@callback_handler("authorize", Authorization, settings, sites, fallback=fallback_response)
def handler(callback: Callback[Authorization]) -> AuthorizationResponse:
    """Decide on the payment, store the decision once, and respond with it."""
    policy = policies.get(callback.site.identifier, callback.deadline)
    result = authorize(table, callback.message, policy, callback.received_at, callback.deadline)
    record_result(result)
    return result.to_response(callback.message.pnm_order_identifier)
