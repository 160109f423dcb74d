"""Set the access tokens of the deployed stack to a state that is independent of other tests."""

from sandbox.clients.control_client import ControlClient
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from sandbox.stack.stack import Stack

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
