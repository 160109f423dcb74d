"""Load the sample messages of ``events/``, and convert messages to API Gateway events."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from sandbox import ROOT
from sandbox.fake_paynearme.messages import Parameters, Transport, body_of, stringify_parameters

EVENTS = ROOT / "events"

_TEMPLATES: Mapping[Transport, str] = {"query": "get_query", "form": "post_form", "json": "post_json"}


def load(kind: str) -> dict[str, Parameters]:
    """Return the unsigned messages of the folder ``events/<kind>`` by name. ``events/README.md`` lists the folders.

    Each call reads the files again. Raises ``FileNotFoundError`` for an unknown kind.
    """
    files = sorted(file for file in (EVENTS / kind).iterdir() if file.suffix == ".json")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def api_gateway_event(
    parameters: Mapping[str, str | bool],
    transport: Transport,
    path: str = "/callbacks/authorize",
    *,
    base64_encoded: bool = False,
) -> dict[str, Any]:
    """Return the event of a REST API for a request with ``parameters`` to ``path``.

    ``base64_encoded`` encodes the body, as an API does for its binary media types. It does not affect a query.
    """
    event = load("api_gateway")[_TEMPLATES[transport]]
    event["resource"] = event["path"] = event["requestContext"]["resourcePath"] = path
    event["requestContext"]["path"] = f"/{event['requestContext']['stage']}{path}"
    if transport == "query":
        values = stringify_parameters(parameters)
        # API Gateway sends null for an empty query.
        event["queryStringParameters"] = values or None
        event["multiValueQueryStringParameters"] = {name: [text] for name, text in values.items()} or None
        return event
    body = body_of(parameters, transport)
    event["body"] = base64.b64encode(body.encode()).decode() if base64_encoded else body
    event["isBase64Encoded"] = base64_encoded
    return event
