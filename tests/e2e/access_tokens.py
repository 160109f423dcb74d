"""The access tokens of the deployed stack, brought into a state that no other test has a part in."""

from local.backend import Backend
from local.control import Control
from local.events import load
from local.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from local.stack import Stack
from tests.documented import as_documented
from tests.e2e.paying import PATHS, kind, new_key, wanted_order

SITES = (OAUTH_SITE, OAUTH_SIGNED_SITE)
UNKNOWN = "0000000000000"
"""A payment method that nobody has."""


def parameter_of(stack: Stack, site: str) -> str:
    """Return the name under which a site's token is stored."""
    return f"/paynearme/{stack.stack_name}/access-tokens/{site}"


def forget(stack: Stack, paynearme: Control) -> None:
    """Let no token hold and none be stored, and nobody have a lease. Processes may keep what held before."""
    paynearme.post("access-tokens", {"revoke": True, "seconds": 3600})
    stack.client("ssm").delete_parameters(Names=[parameter_of(stack, site) for site in SITES])
    dynamodb = stack.client("dynamodb")
    for site in SITES:
        key = {"pk": {"S": f"ACCESS_TOKEN#{site}"}, "sk": {"S": "LEASE"}}
        dynamodb.delete_item(TableName=stack.table_name, Key=key)


def settle(backend: Backend, paynearme: Control, site: str) -> None:
    """Have each function call for ``site``, so that they all have one and the same token, which holds.

    A payment is not sent again where it met a token from before; its method is known to nobody.
    """
    order = {"site_identifier": site, "pnm_order_identifier": "84488215678"}
    wish = load("make_payment")["saved"] | order | {"payment_method_identifier": UNKNOWN}
    calls = {
        "create_order": wanted_order(site, "settles-tokens"),
        "get_smart_token": order,
        "find_payment_methods": {"site_identifier": site, "site_customer_identifier": "settles-tokens"},
        "make_payment": wish,
    }
    before = paynearme.get("access-token-requests")["count"]
    replies = {
        operation: as_documented(PATHS[operation], "POST", backend.post(PATHS[operation], content, new_key()))
        for operation, content in calls.items()
    }
    assert kind(replies.pop("make_payment")) in ("rejected-by-paynearme", "credentials-rejected")
    assert {reply.status for reply in replies.values()} == {200}
    assert paynearme.get("access-token-requests")["count"] == before + 1
