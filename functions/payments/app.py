"""Tells the merchant's backend the story of a payment."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.ledger import Ledger
from paynearme.messages.entries import PaymentRequest
from paynearme.messages.records import PaymentResponse
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
ledger = Ledger(Table(settings.table_name))


@api_handler("payments", {"GET": PaymentRequest}, settings, sites)
def handler(request: ApiRequest[PaymentRequest]) -> PaymentResponse | None:
    """Answer with all that is known of the payment."""
    message = request.message
    return ledger.payment(
        request.site.identifier, message.pnm_payment_identifier, request.deadline, test=message.test
    )
