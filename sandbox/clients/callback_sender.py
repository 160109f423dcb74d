"""PayNearMe's sender of callbacks: signs, delivers, judges the answer, and repeats."""

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

from sandbox.clients.sample_messages import Parameters, Transport, body_of, signed, stringify_parameters
from sandbox.stack.sites import SiteEntries, read_sites

type Kind = Literal["authorize", "confirm", "reverse"]
"""Which callback: the last part of its path."""

RESPONSE_TIMEOUT_SECONDS = 10.0
"""How long PayNearMe waits."""

_ENVELOPES: Mapping[str, tuple[str, str]] = {
    "authorize": ("payment_authorization_response", "authorization"),
    "confirm": ("payment_confirmation_response", "confirmation"),
    # Not public: it is what the site is set to, or else this.
    "reverse": ("payment_reversal_response", "reversal"),
}
_CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
_MAX_RECEIPT_LENGTH = 3000
_TIMED_OUT = "took too long"


@dataclass(frozen=True)
class Delivery:
    """What came of a callback that was sent once.

    ``status`` is None when there was no answer. ``fields`` holds what the answer's envelope encloses,
    None if there is no such thing. ``reason`` says why PayNearMe would not accept the answer, None if
    it would.
    """

    status: int | None
    seconds: float
    content_type: str
    body: str
    fields: dict[str, str] | None
    reason: str | None

    @property
    def accepted(self) -> bool:
        """Whether PayNearMe would accept the answer."""
        return self.reason is None


class CallbackSender:
    """Sends callbacks to one deployment. Threads may share it."""

    def __init__(self, callback_url: str, sites: SiteEntries, timeout: float = RESPONSE_TIMEOUT_SECONDS) -> None:
        """Take the callback API's address, without a slash at its end, and the secret's sites.

        ``answer_within`` is in seconds. Raises pydantic's ``ValidationError`` for malformed sites.
        """
        self._url = callback_url
        self._sites = read_sites(sites)
        self._timeout = timeout
        self._http = PoolManager(maxsize=64, retries=False, timeout=Timeout(total=timeout))

    def deliver(self, kind: Kind, parameters: Mapping[str, str | bool], transport: Transport) -> Delivery:
        """Send a message once and judge the answer.

        It is signed for now, with the key and the version of the site that it names, unless it carries
        a ``signature``: then it is sent as it is. Raises ``KeyError`` when it must be signed and names
        no site of ours.
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
        """Send a message until an answer is acceptable, at most ``attempts`` times; return all deliveries.

        ``minute`` is the seconds between two. Each repeat is the same message, signature and all:
        whether PayNearMe signs each anew is not public.
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
            # Giving up is a result here, not an error.
            retry_error_callback=lambda _: None,
        )
        retrying(send)
        return deliveries

    def _complete(self, parameters: Mapping[str, str | bool]) -> Parameters:
        if "signature" in parameters:
            return dict(parameters)
        site = self._sites[stringify_parameters(parameters).get("site_identifier", "")]
        text = signed(parameters, site.secret.get_secret_value(), site.version)
        # The rest stays as it was: a boolean is one in JSON.
        return {**parameters, **{name: text[name] for name in ("timestamp", "version", "signature")}}

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
            # To urllib3, a refused connection is one of the time-outs.
            timed_out = isinstance(error, HttpTimeoutError) and not isinstance(error, NewConnectionError)
            failure = _TIMED_OUT if timed_out else "no answer"
            return Delivery(None, seconds, "", "", None, failure)
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
        """Return the answer's fields, where it has any, and why it is not acceptable, where it is not."""
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
    """Return the fields of an answer in JSON. Raises ``ValueError`` with the reason why there are none."""
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
    """Return the fields of an answer in XML. Raises ``ValueError`` with the reason why there are none."""
    envelope_name, element_name = envelope
    namespace = f"{{http://www.paynearme.com/api/pnm_xmlschema_v{version.replace('.', '_')}}}"
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 # the answer of our own stack
    except ElementTree.ParseError:
        raise ValueError("not XML") from None
    inner = root.find(f"{namespace}{element_name}")
    if root.tag != f"{namespace}{envelope_name}" or inner is None:
        raise ValueError("another envelope")
    if root.get("version") != version:
        raise ValueError("another version")
    return {field.tag.removeprefix(namespace): field.text or "" for field in inner}
