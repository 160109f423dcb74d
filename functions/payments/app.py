"""GET /payments: a payment with its decision, outcome and reversals."""

from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.ledger.queries import get_payment
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.protocol.api_responses import PaymentResponse
from paynearme.protocol.merchant_input import PaymentRequest
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
table = Table(settings.table_name)


@api_handler("payments", {"GET": PaymentRequest}, settings, sites)
def handler(request: ApiRequest[PaymentRequest]) -> PaymentResponse | None:
    """Return the payment."""
    message, site_id = request.message, request.site.identifier
    return get_payment(table, site_id, message.pnm_payment_identifier, request.deadline, test=message.test)
