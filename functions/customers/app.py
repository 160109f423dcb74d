"""Takes what the merchant's backend says of customers, and tells what is known of them."""

from paynearme import gateway
from paynearme.ledger import Ledger
from paynearme.messages.entries import CustomerInput, CustomerRequest
from paynearme.messages.records import CustomerResponse
from paynearme.policies import Policies
from paynearme.settings import Settings, Sites
from paynearme.table import Table

settings = Settings.from_environment()
sites = Sites(settings)
policies = Policies(settings)
ledger = Ledger(Table(settings.table_name))


@gateway.backend_call("customers", {"GET": CustomerRequest, "PUT": CustomerInput}, settings, sites)
def handler(call: gateway.Call[CustomerRequest]) -> CustomerResponse | None:
    """Record the customer, if the call feeds one, and answer with all that is known."""
    site, customer = call.site.identifier, call.request.site_customer_identifier
    if isinstance(call.request, CustomerInput):
        # Before the policy is looked for: without one, too, a customer can be suspended.
        ledger.put_customer(call.request, call.received_at, call.deadline)
    policy = policies.find(site, call.deadline)
    return ledger.customer(site, customer, policy, call.received_at, call.deadline)
