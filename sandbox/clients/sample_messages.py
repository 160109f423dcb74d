"""The messages of PayNearMe's documents, and reversals of ours, signed anew; events made from them."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from paynearme.protocol.signing import sign

EVENTS = Path(__file__).resolve().parents[2] / "events"

type Parameters = dict[str, Any]
"""Names and values as in the document: text and booleans; in an answer and an event, objects as well."""

type Transport = Literal["query", "form", "json"]
"""How a callback travels: ``GET`` with a query, ``POST`` with a form, ``POST`` with JSON."""

_SKELETONS: Mapping[Transport, str] = {"query": "get_query", "form": "post_form", "json": "post_json"}


def load(kind: str) -> dict[str, Parameters]:
    """Return the unsigned messages of ``events/<kind>``, freshly read, by name.

    ``kind`` is a callback's: ``authorization``, ``confirmation``, ``reversal``; a call's:
    ``get_smart_token``, ``create_order``, ``find_payment_methods``, ``make_payment``; any of these but
    ``confirmation`` and ``reversal`` with ``_answer`` behind it; or ``api_gateway``. The reversals are
    ours, the rest is PayNearMe's and API Gateway's. The request of ``create_order`` holds a number, as
    printed. Raises ``FileNotFoundError`` for another kind.
    """
    files = sorted(file for file in (EVENTS / kind).iterdir() if file.suffix == ".json")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def stringify_parameters(parameters: Mapping[str, str | bool]) -> dict[str, str]:
    """Return ``parameters`` as they are signed and as a query or a form spells them."""
    return {name: value if isinstance(value, str) else str(value).lower() for name, value in parameters.items()}


def signed(
    parameters: Mapping[str, str | bool],
    secret: str,
    version: str = "3.0",
    timestamp: int | None = None,
    **changes: str | bool | None,
) -> dict[str, str]:
    """Return ``parameters`` with ``changes``, as text, signed with ``secret`` for ``version``.

    ``timestamp`` is in Unix seconds, and now if it is None. A change to None leaves a parameter out.
    Raises ``SignatureError`` for an empty secret and an unknown version.
    """
    signed_at = int(time.time()) if timestamp is None else timestamp
    included = {name: value for name, value in {**parameters, **changes}.items() if value is not None}
    message = stringify_parameters(included) | {"timestamp": str(signed_at), "version": version}
    return message | {"signature": sign(message, secret, version)}


def with_new_identifier(parameters: Mapping[str, str | bool]) -> Parameters:
    """Return ``parameters`` as a payment that nobody has seen: with a new ``pnm_payment_identifier``.

    It has twelve digits, as in the documents.
    """
    return {**parameters, "pnm_payment_identifier": str(10**11 + secrets.randbelow(9 * 10**11))}


def body_of(parameters: Mapping[str, str | bool], transport: Literal["form", "json"]) -> str:
    """Return ``parameters`` as a request's body. In JSON a boolean stays one."""
    return json.dumps(dict(parameters)) if transport == "json" else urlencode(stringify_parameters(parameters))


def api_gateway_event(
    parameters: Mapping[str, str | bool],
    transport: Transport,
    path: str = "/callbacks/authorize",
    *,
    base64_encoded: bool = False,
) -> dict[str, Any]:
    """Return what a REST API hands to a function that is sent ``parameters`` at ``path``.

    With ``base64_encoded`` the body is so encoded, as by an API whose binary media types hold the
    request's. A query is never.
    """
    event = load("api_gateway")[_SKELETONS[transport]]
    event["resource"] = event["path"] = event["requestContext"]["resourcePath"] = path
    event["requestContext"]["path"] = f"/{event['requestContext']['stage']}{path}"
    if transport == "query":
        values = stringify_parameters(parameters)
        # API Gateway says null where there is nothing.
        event["queryStringParameters"] = values or None
        event["multiValueQueryStringParameters"] = {name: [text] for name, text in values.items()} or None
        return event
    body = body_of(parameters, transport)
    event["body"] = base64.b64encode(body.encode()).decode() if base64_encoded else body
    event["isBase64Encoded"] = base64_encoded
    return event
