"""Takes what the merchant's backend says of customers, and tells what is known of them."""

from paynearme.gateway import ApiRequest, api_handler
from paynearme.ledger import Ledger
from paynearme.messages.entries import CustomerInput, CustomerRequest
from paynearme.messages.records import CustomerResponse
from paynearme.policies import PolicyProvider
from paynearme.settings import Settings, SiteProvider
from paynearme.table import Table

settings = Settings.from_environment()
sites = SiteProvider(settings)
policies = PolicyProvider(settings)
ledger = Ledger(Table(settings.table_name))


@api_handler("customers", {"GET": CustomerRequest, "PUT": CustomerInput}, settings, sites)
def handler(request: ApiRequest[CustomerRequest]) -> CustomerResponse | None:
    """Record the customer, if the call feeds one, and answer with all that is known."""
    site_id, customer_id = request.site.identifier, request.message.site_customer_identifier
    if isinstance(request.message, CustomerInput):
        # Before the policy is looked for: without one, too, a customer can be suspended.
        ledger.put_customer(request.message, request.received_at, request.deadline)
    policy = policies.get(site_id, request.deadline)
    return ledger.customer(site_id, customer_id, policy, request.received_at, request.deadline)
