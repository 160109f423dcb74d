"""Tells the merchant's backend the story of a payment."""

from paynearme import gateway
from paynearme.ledger import Ledger
from paynearme.messages.entries import PaymentRequest
from paynearme.messages.records import PaymentResponse
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
ledger = Ledger(Table(settings.table_name))


@gateway.backend_call("payments", {"GET": PaymentRequest}, settings, sites)
def handler(call: gateway.Call[PaymentRequest]) -> PaymentResponse | None:
    """Answer with all that is known of the payment."""
    request = call.request
    return ledger.payment(
        call.site.identifier, request.pnm_payment_identifier, call.deadline, test=request.test
    )
