"""Respond to PayNearMe's authorization callback with a decision (PayNearMe docs, Using Authorization Callbacks)."""

from collections.abc import Mapping
from datetime import datetime

from paynearme.handlers.callback import Callback, callback_handler
from paynearme.ledger.authorization import authorize
from paynearme.ledger.results import decline_without_decision
from paynearme.platform.dynamodb import Table
from paynearme.platform.observability import record_result
from paynearme.platform.settings import Settings
from paynearme.policy import Reason
from paynearme.policy_provider import PolicyProvider
from paynearme.protocol.callbacks import Authorization, AuthorizationResponse
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
table = Table(settings.table_name)


def decline(parameters: Mapping[str, str], now: datetime, reason: Reason) -> AuthorizationResponse:
    """Decline without a stored decision. Raises ``KeyError`` or ``ValueError`` if the parameters name no order."""
    text = policies.cached_text(parameters.get("site_identifier", ""), reason)
    declined = decline_without_decision(text, reason, parameters, now)
    response = declined.to_response(parameters["pnm_order_identifier"])
    record_result(declined)
    return response


@callback_handler("authorize", Authorization, settings, sites, table, decline=decline)
def handler(callback: Callback[Authorization]) -> AuthorizationResponse:
    """Decide on the payment, store the decision once, and respond with it."""
    policy = policies.get(callback.site.identifier, callback.deadline)
    result = authorize(table, callback.message, policy, callback.received_at, callback.deadline)
    record_result(result)
    return result.to_response(callback.message.pnm_order_identifier)
