"""Parse a request into flat parameters, with values exactly as they were sent.

Callbacks arrive as a query, a form or JSON, and backend requests as JSON. Ambiguous input is rejected: the signed
text has no separators, so a second interpretation of the same bytes can be another message.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from paynearme.errors import MalformedRequestError, PayloadTooLargeError, ValidationFailedError

MAX_BYTES = 64 * 1024
"""The maximum size of a request. Messages of the protocol are much smaller."""

ADDITIONAL_PARAMETERS = "additional_parameters"
"""The only parameter of a backend request that can be a JSON object."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_MAX_NAME_SHOWN = 64
_NO_PARAMETER = "is not a parameter of this request"
_NESTED = "must be text, a number, true or false"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

type ProxyEvent = dict[str, Any]
"""The proxy event of a REST API."""


def from_query(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of the query string. API Gateway has decoded them.

    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``.
    """
    # The single-value map hides a duplicate name.
    values = event.get("multiValueQueryStringParameters") or {}
    pairs = [(name, value) for name, repeated_values in values.items() for value in repeated_values]
    size = sum(len(text.encode(errors="replace")) for pair in pairs for text in pair)
    if size > MAX_BYTES:
        raise PayloadTooLargeError
    return _validated(pairs)


def from_path(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of the path. Raises ``MalformedRequestError``.

    API Gateway does not decode the percent-encoding of path parameters.
    """
    try:
        return {name: unquote(value, errors="strict") for name, value in (event.get("pathParameters") or {}).items()}
    except UnicodeDecodeError:
        raise MalformedRequestError from None


def from_headers(event: ProxyEvent, names: Iterable[str]) -> dict[str, str]:
    """Return the request's headers with these names, which are case-insensitive.

    Raises ``ValidationFailedError`` for a repeated header.
    """
    headers = event.get("multiValueHeaders") or {}
    header_values: dict[str, str] = {}
    for name in names:
        values = [value for key, repeated in headers.items() if key.lower() == name.lower() for value in repeated]
        if len(values) > 1:
            raise ValidationFailedError({name: "must be given once"})
        if values:
            header_values[name] = values[0]
    return header_values


def from_body(event: ProxyEvent) -> dict[str, str | None]:
    """Return the parameters of a JSON object or of a form. A JSON null is ``None``.

    The first character decides: a form never starts with a brace, and senders set a wrong content type.
    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``.
    """
    text = _decode_body(event)
    if text.lstrip().startswith("{"):
        pairs = _json_object(text)
        return _validated([(name, v if isinstance(v, str) else _json_scalar_text(v)) for name, v in pairs])
    try:
        return _validated(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise MalformedRequestError from None


def from_json_body(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of a body that must be JSON.

    The only nested object is ``additional_parameters``. Its parameters have names like ``additional_parameters.name``.
    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``, and ``ValidationFailedError`` for other nested values
    and for malformed names.
    """
    content, additional = _Object(), _Object()
    for name, value in _json_object(_decode_body(event)):
        is_additional = name == ADDITIONAL_PARAMETERS and isinstance(value, _Object)
        content.append((name, None if is_additional else value))
        additional.extend(value if is_additional else ())
    levels = {"": content, f"{ADDITIONAL_PARAMETERS}.": additional}
    names = [(prefix + _printable_name(name), name, value) for prefix in levels for name, value in levels[prefix]]
    errors = {shown: _NESTED for shown, _, value in names if isinstance(value, list)}
    errors |= {shown: _NO_PARAMETER for shown, name, _ in names if not _NAME.fullmatch(name)}
    if errors:
        raise ValidationFailedError(errors)
    return {
        prefix + name: value
        for prefix, pairs in levels.items()
        for name, value in _validated((name, _json_scalar_text(value)) for name, value in pairs).items()
        if value is not None
    }


def _printable_name(name: str) -> str:
    return name[:_MAX_NAME_SHOWN] if name.isprintable() else "(unprintable)"


def undecodable_parameters(event: ProxyEvent, parameters: Mapping[str, str | None]) -> bool:
    """Return whether API Gateway replaced bytes that are not UTF-8, which it does in a query and in a text body."""
    return not event.get("isBase64Encoded") and any(_REPLACEMENT in (value or "") for value in parameters.values())


def _decode_body(event: ProxyEvent) -> str:
    body = event.get("body") or ""
    try:
        # Checked before decoding, because a sender can send megabytes.
        if len(body) > MAX_BYTES * 2:
            raise PayloadTooLargeError
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(data) > MAX_BYTES:
            raise PayloadTooLargeError
        return data.decode()
    except ValueError:
        raise MalformedRequestError from None


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object. A duplicate name remains visible."""


def _json_object(text: str) -> _Object:
    try:
        content = _parse_json(text)
    except (ValueError, RecursionError):
        raise MalformedRequestError from None
    if not isinstance(content, _Object):
        raise MalformedRequestError
    return content


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError


# Numbers remain text, because the signature covers their spelling.
_parse_json = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_reject_constant, object_pairs_hook=_Object
).decode


def _json_scalar_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    raise MalformedRequestError


def _validated[T: (str, str | None)](pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return the pairs as parameters."""
    received = list(pairs)
    parameters = dict(received)
    if len(parameters) < len(received) or not all(map(_NAME.fullmatch, parameters)):
        raise MalformedRequestError
    try:
        "".join(value or "" for value in parameters.values()).encode()
    except UnicodeEncodeError:
        raise MalformedRequestError from None
    return parameters
