"""Valid, signed callbacks. A test changes single parameters."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from paynearme.platform.http_request import ProxyEvent
from paynearme.protocol.signing import sign
from tests.support.api_gateway_events import form_event, json_event, query_event
from tests.support.message_fixtures import SECRET, valid_authorization, valid_confirmation

SITE = "S2155373459"
"""The site of ``tests.support.message_fixtures``: version 3.0 and JSON."""
SITE_OF_2_0 = "S6404173951"
SITE_OF_3_0_IN_XML = "S2411573363"
SITE_OF_2_0_IN_JSON = "S2893783906"

SITES: dict[str, dict[str, str]] = {
    SITE: {"version": "3.0", "secret": SECRET},
    SITE_OF_2_0: {"version": "2.0", "secret": "2b1f0c9a7d6e5f4c3b2a19087"},
    SITE_OF_3_0_IN_XML: {
        "version": "3.0",
        "secret": "77aa66bb55cc44dd33ee22ff1",
        "api_secret": "0f1e2d3c4b5a69788796a5b4c",
        "response_format": "xml",
    },
    SITE_OF_2_0_IN_JSON: {"version": "2.0", "secret": "9c8b7a6f5e4d3c2b1a0918273", "response_format": "json"},
}
"""The sites' secret of the tests, by site identifier."""

CUSTOMER = "773090000"

TRANSPORTS: dict[str, Callable[[Mapping[str, str]], ProxyEvent]] = {
    "query": lambda parameters: query_event(parameters.items()),
    "form": form_event,
    "json": json_event,
}


def signed(parameters: Mapping[str, str], secret: str | None = None) -> dict[str, str]:
    """Return the parameters with a signature, which uses ``secret`` or else the key of their site."""
    key = secret or SITES[parameters["site_identifier"]]["secret"]
    return {**parameters, "signature": sign(parameters, key, parameters["version"])}


def authorization(*, secret: str | None = None, **changes: str | None) -> dict[str, str]:
    """Return the signed parameters of an authorization of 354.99."""
    return signed(valid_authorization(**_with_customer_and_time(changes)), secret)


def confirmation(*, secret: str | None = None, **changes: str | None) -> dict[str, str]:
    """Return the signed parameters of a confirmation of 354.99 with a net amount of 350.00."""
    return signed(valid_confirmation(**_with_customer_and_time(changes)), secret)


def site_changes(site: str) -> dict[str, Any]:
    """Return the changes that make a message one of ``site``."""
    return {"site_identifier": site, "version": SITES[site]["version"]}


def _with_customer_and_time(changes: Mapping[str, str | None]) -> dict[str, str | None]:
    defaults = {"site_customer_identifier": CUSTOMER, "payment_type": "credit", "timestamp": str(int(time.time()))}
    return defaults | dict(changes)
