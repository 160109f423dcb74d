"""Set the access tokens of the deployed stack to a state that is independent of other tests."""

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support.openapi_assertions import assert_documented
from tests.support.payment_driver import PATHS, new_key, order_request, problem_type

SITES = (OAUTH_SITE, OAUTH_SIGNED_SITE)
UNKNOWN_METHOD = "0000000000000"
"""A payment method that the fake PayNearMe does not have."""


def parameter_name(stack: Stack, site: str) -> str:
    """Return the SSM parameter name of a site's access token."""
    return f"/paynearme/{stack.stack_name}/access-tokens/{site}"


def clear_tokens(stack: Stack, paynearme: ControlClient) -> None:
    """Revoke all access tokens and delete the stored tokens and leases. Processes can still cache a revoked token."""
    paynearme.post("access-tokens", {"revoke": True, "seconds": 3600})
    stack.client("ssm").delete_parameters(Names=[parameter_name(stack, site) for site in SITES])
    dynamodb = stack.client("dynamodb")
    for site in SITES:
        key = {"pk": {"S": f"ACCESS_TOKEN#{site}"}, "sk": {"S": "LEASE"}}
        dynamodb.delete_item(TableName=stack.table_name, Key=key)


def prime_token_caches(backend: BackendClient, paynearme: ControlClient, site: str) -> None:
    """Call each function once for ``site``, so that all functions cache the same valid access token.

    The payment has an unknown method. It is not retried after a revoked token, so two problem types are possible.
    """
    order = {"site_identifier": site, "pnm_order_identifier": "84488215678"}
    payment_request = load("make_payment")["saved"] | order | {"payment_method_identifier": UNKNOWN_METHOD}
    calls = {
        "create_order": order_request(site, "primes-tokens"),
        "get_smart_token": order,
        "find_payment_methods": {"site_identifier": site, "site_customer_identifier": "primes-tokens"},
        "make_payment": payment_request,
    }
    initial_count = paynearme.get("access-token-requests")["count"]
    responses = {
        operation: assert_documented(PATHS[operation], "POST", backend.post(PATHS[operation], content, new_key()))
        for operation, content in calls.items()
    }
    assert problem_type(responses.pop("make_payment")) in ("rejected-by-paynearme", "credentials-rejected")
    assert {response.status for response in responses.values()} == {200}
    assert paynearme.get("access-token-requests")["count"] == initial_count + 1
