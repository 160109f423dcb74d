"""Build, sign and encode PayNearMe's messages."""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from sandbox.fake_paynearme.signing import sign

type Parameters = dict[str, Any]
"""The names and values of a message: texts and booleans. A response can also contain objects."""

type Transport = Literal["query", "form", "json"]
"""The encoding of a callback: ``GET`` with a query, ``POST`` with a form, ``POST`` with JSON."""

TRANSPORTS: tuple[Transport, ...] = ("query", "form", "json")

# The published parameters that a reversal shares with the confirmation of its payment.
_REVERSAL_FIELDS = (
    "pnm_order_identifier",
    "pnm_payment_identifier",
    "site_order_identifier",
    "site_customer_identifier",
    "site_payment_identifier",
    "site_identifier",
    "order_payee_identifier",
    "version",
    "test",
    "payment_amount",
    "payment_currency",
    "payment_timestamp",
    "payment_bank_name",
    "payment_bank_last4",
    "standin",
)
_AUTHORIZATION_FIELDS = {
    "payment_date",
    "timestamp",
    "signature",
    "user_agent_string",
    "user_environment",
    "user_device",
}


def stringify_parameters(parameters: Mapping[str, str | bool]) -> dict[str, str]:
    """Return ``parameters`` as texts: as a signature covers them, and as a query or a form contains them."""
    return {name: value if isinstance(value, str) else str(value).lower() for name, value in parameters.items()}


def signed(
    parameters: Mapping[str, str | bool],
    secret: str,
    version: str = "3.0",
    timestamp: int | None = None,
    **changes: str | bool | None,
) -> dict[str, str]:
    """Return ``parameters`` with ``changes``, as texts, signed with ``secret`` for ``version``.

    ``timestamp`` is in Unix seconds, by default the current time. A change to None removes a parameter.
    Raises ``ValueError`` for an empty secret and an unknown version.
    """
    signed_at = int(time.time()) if timestamp is None else timestamp
    message = stringify_parameters(_apply(parameters, changes)) | {"timestamp": str(signed_at), "version": version}
    return message | {"signature": sign(message, secret, version)}


def new_payment_identifier() -> str:
    """Return a random ``pnm_payment_identifier`` with twelve digits."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


def with_new_identifier(parameters: Mapping[str, str | bool]) -> Parameters:
    """Return ``parameters`` with a new ``pnm_payment_identifier``, as those of a new payment."""
    return {**parameters, "pnm_payment_identifier": new_payment_identifier()}


def body_of(parameters: Mapping[str, str | bool], transport: Literal["form", "json"]) -> str:
    """Return ``parameters`` as the body of a request. JSON keeps booleans."""
    return json.dumps(dict(parameters)) if transport == "json" else urlencode(stringify_parameters(parameters))


def build_confirmation(authorization: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the unsigned confirmation of an authorized payment, with ``changes``.

    A change to None removes a parameter.
    """
    copied_fields = {name: value for name, value in authorization.items() if name not in _AUTHORIZATION_FIELDS}
    return _apply({**copied_fields, "status": "payment", "standin": "false"}, changes)


def build_reversal(confirmation: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the unsigned reversal of a confirmed payment, with ``changes``.

    It is a bank return of the full amount by default. A change to None removes a parameter. PayNearMe documents
    the names, but not all values.
    """
    copied_fields = {name: confirmation[name] for name in _REVERSAL_FIELDS if name in confirmation}
    reversal_fields: Parameters = {
        "status": "reversed",
        "reverse_amount": confirmation["payment_amount"],
        "reverse_currency": confirmation["payment_currency"],
        "reverse_type": "Bank Return",
        "reverse_code": "R01",
        "reverse_reason": "Insufficient Funds",
        "reverse_date": "2025-06-12",
    }
    return _apply(copied_fields | reversal_fields, changes)


def _apply(parameters: Mapping[str, str | bool], changes: Mapping[str, str | bool | None]) -> Parameters:
    return {name: value for name, value in {**parameters, **changes}.items() if value is not None}
