"""GET and PUT /customers: a customer's settings, balance, spending and recent reversals."""

from paynearme.handlers.api import ApiRequest, api_handler
from paynearme.ledger.merchant_data import put_customer
from paynearme.ledger.queries import get_customer
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.policy_provider import PolicyProvider
from paynearme.protocol.api_responses import CustomerResponse
from paynearme.protocol.merchant_input import CustomerInput, CustomerRequest
from paynearme.sites.site_provider import SiteProvider

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
table = Table(settings.table_name)


@api_handler("customers", {"GET": CustomerRequest, "PUT": CustomerInput}, settings, sites)
def handler(request: ApiRequest[CustomerRequest]) -> CustomerResponse | None:
    """Put the customer, if requested, and return it."""
    message, site_id, deadline = request.message, request.site.identifier, request.deadline
    if isinstance(message, CustomerInput):
        # Before the policy is read: an operator can suspend a customer also while AppConfig is unavailable.
        put_customer(table, message, request.received_at, deadline)
    policy = policies.get(site_id, deadline)
    return get_customer(table, site_id, message.site_customer_identifier, policy, request.received_at, deadline)
