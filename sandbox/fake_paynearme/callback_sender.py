"""Sign and send callbacks, and validate the responses as PayNearMe does."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode
from xml.etree import ElementTree

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from sandbox.fake_paynearme.messages import Parameters, Transport, body_of, signed, stringify_parameters
from sandbox.fake_paynearme.sites import Site, SiteEntries, read_sites

type Kind = Literal["authorize", "confirm", "reverse"]
"""The kind of a callback: the last part of its path."""

RESPONSE_TIMEOUT_SECONDS = 10.0
"""PayNearMe's timeout for a callback."""

_ENVELOPES: Mapping[str, tuple[str, str]] = {
    "authorize": ("payment_authorization_response", "authorization"),
    "confirm": ("payment_confirmation_response", "confirmation"),
    # Published by a third party only: the site's setting, or this default.
    "reverse": ("payment_reverse_response", "reverse_payment"),
}
_CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
_MAX_RECEIPT_LENGTH = 3000
_TIMED_OUT = "timeout"


@dataclass(frozen=True)
class Delivery:
    """The result of one callback request.

    ``status`` is None without a response. ``fields`` are the fields of the response's element, or None if the
    envelope is invalid. ``reason`` is the reason for which PayNearMe rejects the response, or None.
    """

    status: int | None
    seconds: float
    content_type: str
    body: str
    fields: dict[str, str] | None
    reason: str | None

    @property
    def accepted(self) -> bool:
        """Whether PayNearMe accepts the response."""
        return self.reason is None


def complete(parameters: Mapping[str, str | bool], site: Site, timestamp: int | None = None) -> Parameters:
    """Return a callback of ``site`` with its timestamp (by default the current time), version and signature."""
    texts = signed(parameters, site.secret, site.version, timestamp)
    # The other values keep their types, because JSON has booleans.
    return {**parameters, **{name: texts[name] for name in ("timestamp", "version", "signature")}}


class CallbackSender:
    """Send callbacks to one deployment. The sender is thread-safe."""

    def __init__(self, callback_url: str, sites: SiteEntries, timeout: float = RESPONSE_TIMEOUT_SECONDS) -> None:
        """Create a sender for the callback API at ``callback_url`` (without a slash at the end).

        ``timeout`` is in seconds. Raises pydantic's ``ValidationError`` for an invalid site.
        """
        self._url = callback_url
        self._sites = read_sites(sites)
        self._timeout = timeout
        self._http = PoolManager(maxsize=64, retries=False, timeout=Timeout(total=timeout))

    def deliver(self, kind: Kind, parameters: Mapping[str, str | bool], transport: Transport) -> Delivery:
        """Send a message once, and validate the response.

        A message with a ``signature`` is sent unchanged. Any other message is signed with the key of its site.
        Raises ``KeyError`` if that site is unknown.
        """
        return self._send(kind, self._complete(parameters), transport)

    def deliver_until_acknowledged(
        self,
        kind: Kind,
        parameters: Mapping[str, str | bool],
        transport: Transport,
        retry_interval: float = 60.0,
        attempts: int = 40,
    ) -> list[Delivery]:
        """Send a message until PayNearMe accepts the response, and return all deliveries.

        There are at most ``attempts``, with ``retry_interval`` seconds between them. A retry has the same signature:
        PayNearMe does not document whether it signs again.
        """
        message = self._complete(parameters)
        deliveries: list[Delivery] = []

        def send() -> bool:
            deliveries.append(self._send(kind, message, transport))
            return deliveries[-1].accepted

        retrying = Retrying(
            retry=retry_if_result(lambda accepted: not accepted),
            wait=wait_fixed(retry_interval),
            stop=stop_after_attempt(attempts),
            retry_error_callback=lambda _: None,
        )
        retrying(send)
        return deliveries

    def _complete(self, parameters: Mapping[str, str | bool]) -> Parameters:
        if "signature" in parameters:
            return dict(parameters)
        return complete(parameters, self._sites[str(parameters.get("site_identifier"))])

    def _send(self, kind: Kind, message: Parameters, transport: Transport) -> Delivery:
        url = f"{self._url}/callbacks/{kind}"
        request: dict[str, Any] = {"method": "GET", "url": f"{url}?{urlencode(stringify_parameters(message))}"}
        if transport != "query":
            headers = {"Content-Type": _CONTENT_TYPES[transport]}
            body = body_of(message, transport).encode()
            request = {"method": "POST", "url": url, "headers": headers, "body": body}
        started = time.perf_counter()
        try:
            response = self._http.request(**request, redirect=False)
        except HTTPError as error:
            seconds = time.perf_counter() - started
            # urllib3 derives the error of a rejected connection from its timeout error.
            timed_out = isinstance(error, HttpTimeoutError) and not isinstance(error, NewConnectionError)
            return Delivery(None, seconds, "", "", None, _TIMED_OUT if timed_out else "no response")
        seconds = time.perf_counter() - started
        fields, reason = self._validate_response(kind, message, response.status, response.data)
        if seconds > self._timeout:
            reason = _TIMED_OUT
        content_type = response.headers.get("Content-Type", "")
        body_text = response.data.decode(errors="replace")
        return Delivery(response.status, seconds, content_type, body_text, fields, reason)

    def _validate_response(
        self, kind: Kind, message: Parameters, status: int, body: bytes
    ) -> tuple[dict[str, str] | None, str | None]:
        """Return the fields of a response and the reason for which PayNearMe rejects it. Both can be None."""
        site = self._sites.get(str(message.get("site_identifier")))
        version = str(message.get("version"))
        response_format = (site and site.response_format) or ("xml" if version == "2.0" else "json")
        envelope = _ENVELOPES[kind]
        if site and kind == "reverse":
            envelope = (site.reverse_envelope, site.reverse_element)
        try:
            fields = (_from_xml if response_format == "xml" else _from_json)(body, envelope, version)
        except ValueError as error:
            return None, f"status {status}" if status != 200 else str(error)
        if status != 200:
            return fields, f"status {status}"
        if fields.get("pnm_order_identifier") != message.get("pnm_order_identifier"):
            return fields, "another pnm_order_identifier"
        if kind == "authorize" and fields.get("accept_payment") not in ("yes", "no"):
            return fields, "accept_payment is neither yes nor no"
        if len(fields.get("receipt", "")) > _MAX_RECEIPT_LENGTH:
            return fields, "the receipt is too long"
        return fields, None


def _from_json(body: bytes, envelope: tuple[str, str], version: str) -> dict[str, str]:
    """Return the fields of a JSON response. Raises ``ValueError`` with the reason if it is invalid."""
    envelope_name, element_name = envelope
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    inner = content.get(envelope_name) if isinstance(content, dict) else None
    fields = inner.get(element_name) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(fields, dict):
        raise ValueError("another envelope")
    if inner.get("version") != version:
        raise ValueError("another version")
    if not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("a field is not text")
    return fields


def _from_xml(body: bytes, envelope: tuple[str, str], version: str) -> dict[str, str]:
    """Return the fields of an XML response. Raises ``ValueError`` with the reason if it is invalid."""
    envelope_name, element_name = envelope
    namespace = f"{{http://www.paynearme.com/api/pnm_xmlschema_v{version.replace('.', '_')}}}"
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 # the local stack's own response
    except ElementTree.ParseError:
        raise ValueError("not XML") from None
    inner = root.find(f"{namespace}{element_name}")
    if root.tag != f"{namespace}{envelope_name}" or inner is None:
        raise ValueError("another envelope")
    if root.get("version") != version:
        raise ValueError("another version")
    return {field.tag.removeprefix(namespace): field.text or "" for field in inner}
