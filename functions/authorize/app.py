"""Answers PayNearMe's authorization callback, which asks whether a payment may happen."""

from collections.abc import Mapping
from datetime import datetime

from paynearme import gateway, telemetry
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, AuthorizationAnswer
from paynearme.payments import Authorized, site_payment_identifier
from paynearme.policy import Reason, decide, declined
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
ledger = Ledger(Table(settings.table_name))


def decline_unheard(parameters: Mapping[str, str], now: datetime) -> AuthorizationAnswer:
    """Decline in so many words what we cannot decide now. Raises ``KeyError`` without a payment to name."""
    ours = parameters.get("site_payment_identifier") or site_payment_identifier(
        parameters["site_identifier"],
        parameters["pnm_payment_identifier"],
        test=parameters.get("test") == "true",
    )
    unheard = Authorized(declined(Reason.CANNOT_DECIDE_NOW), now, ours, repeated=False)
    return unheard.to_answer(parameters["pnm_order_identifier"])


@gateway.callback("authorize", Authorization, settings, sites, when_unavailable=decline_unheard)
def handler(callback: gateway.Callback[Authorization]) -> AuthorizationAnswer:
    """Record the decision, once, and answer with it."""
    authorized = ledger.authorize(callback.message, decide, callback.received_at, callback.deadline)
    telemetry.tell(authorized)
    return authorized.to_answer(callback.message.pnm_order_identifier)
