"""From the bytes of a request to flat parameters, as they were spelled on the wire.

One reader for the three transports of callbacks (a query, a form, JSON) and for the backend API's JSON.
What cannot be read without guessing is refused: the signature's text has no separators, so a second
reading of the same bytes could be another message.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from paynearme.errors import MalformedRequestError, PayloadTooLargeError, ValidationFailedError

MAX_BYTES = 64 * 1024
"""The most that a request may hold; no message of the protocol comes near."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_MAX_NAME_SHOWN = 64
_NO_PARAMETER = "is not a parameter of this call"
_NESTED = "must be text, a number, true or false"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

type ProxyEvent = dict[str, Any]
"""A REST API's proxy event, as API Gateway hands it to a function."""


def from_query(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of the query string, which API Gateway has decoded.

    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``.
    """
    # The other map holds one of two equal names, and hides that there were two.
    values = event.get("multiValueQueryStringParameters") or {}
    pairs = [(name, value) for name, repeated_values in values.items() for value in repeated_values]
    if (
        sum(len(name.encode(errors="replace")) + len(value.encode(errors="replace")) for name, value in pairs)
        > MAX_BYTES
    ):
        raise PayloadTooLargeError
    return _validated(pairs)


def from_path(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of the path, none where its route has none. Raises ``MalformedRequestError``.

    A REST API hands them over as they stand in the address, percent signs and all.
    """
    try:
        return {name: unquote(value, errors="strict") for name, value in (event.get("pathParameters") or {}).items()}
    except UnicodeDecodeError:
        raise MalformedRequestError from None


def from_headers(event: ProxyEvent, names: Iterable[str]) -> dict[str, str]:
    """Return the headers of these names that the request has, however they are spelled there.

    Raises ``ValidationFailedError`` for one that it has more than once.
    """
    headers = event.get("multiValueHeaders") or {}
    header_values: dict[str, str] = {}
    for name in names:
        values = [
            value
            for key, repeated_values in headers.items()
            for value in repeated_values
            if key.lower() == name.lower()
        ]
        if len(values) > 1:
            raise ValidationFailedError({name: "must be given once"})
        header_values |= dict.fromkeys([name] * len(values), "".join(values))
    return header_values


def from_body(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of a body, which is JSON if it begins like an object, and else a form.

    The content type is not asked: no form begins with a brace, and senders get the header wrong.
    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``.
    """
    text = _decode_body(event)
    if text.lstrip().startswith("{"):
        return _validated(_json_pairs(text))
    try:
        return _validated(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise MalformedRequestError from None


def from_json_body(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of a body that must be JSON.

    Raises ``MalformedRequestError`` and ``PayloadTooLargeError``, and ``ValidationFailedError`` with the names of
    parameters that cannot be any.
    """
    content = _json_object(_decode_body(event))
    errors = {_printable_name(name): _NESTED for name, value in content if isinstance(value, list)}
    errors |= {_printable_name(name): _NO_PARAMETER for name, _ in content if not _NAME.fullmatch(name)}
    if errors:
        raise ValidationFailedError(errors)
    return _validated([(name, _json_scalar_text(value)) for name, value in content])


def _printable_name(name: str) -> str:
    return name[:_MAX_NAME_SHOWN] if name.isprintable() else "(unprintable)"


def undecodable_parameters(event: ProxyEvent, parameters: Mapping[str, str]) -> bool:
    """Return whether API Gateway put something in the place of bytes that are not UTF-8.

    It does that to a query, and to a body that it does not hand over as bytes.
    """
    return not event.get("isBase64Encoded") and any(_REPLACEMENT in value for value in parameters.values())


def _decode_body(event: ProxyEvent) -> str:
    body = event.get("body") or ""
    try:
        # A quick look at the length, so that nobody makes us decode megabytes.
        if len(body) > MAX_BYTES * 2:
            raise PayloadTooLargeError
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(data) > MAX_BYTES:
            raise PayloadTooLargeError
        return data.decode()
    except ValueError:
        raise MalformedRequestError from None


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a name that came twice is still there twice."""


def _json_pairs(text: str) -> list[tuple[str, str | None]]:
    return [(name, _json_scalar_text(value)) for name, value in _json_object(text)]


def _json_object(text: str) -> _Object:
    try:
        # Numbers stay the text they are: the signature covers their spelling.
        content = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_reject_constant, object_pairs_hook=_Object
        )
    except (ValueError, RecursionError):
        raise MalformedRequestError from None
    if not isinstance(content, _Object):
        raise MalformedRequestError
    return content


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError


def _json_scalar_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    raise MalformedRequestError


def _validated(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the pairs as parameters; a JSON null counts as absent, once its name has been looked at."""
    parameters: dict[str, str | None] = {}
    for name, value in pairs:
        if name in parameters or not _NAME.fullmatch(name):
            raise MalformedRequestError
        try:
            (value or "").encode()
        except UnicodeEncodeError:
            raise MalformedRequestError from None
        parameters[name] = value
    return {name: value for name, value in parameters.items() if value is not None}
