"""HTTP answers: PayNearMe's envelopes in JSON or XML, and problems with fixed bodies (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from paynearme.errors import (
    AuthenticationError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    IdempotencyKeyReusedError,
    ValidationFailedError,
    NotFoundError,
    OrderNotRecordedError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    PaymentInProgressError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
    RequestRejectedError,
    PayloadTooLargeError,
    UnavailableError,
    MalformedRequestError,
)
from paynearme.messages import AuthorizationResponse, ConfirmationResponse, ReversalResponse

type HttpAnswer = dict[str, Any]
"""What a function behind a REST API returns: ``statusCode``, ``headers``, ``body``."""


type CallbackAnswer = AuthorizationResponse | ConfirmationResponse | ReversalResponse


_PROBLEMS: tuple[tuple[type[ServiceError], int, str, str], ...] = (
    (MalformedRequestError, 400, "malformed-request", "The request is malformed"),
    (PayloadTooLargeError, 413, "payload-too-large", "The request is too large"),
    (AuthenticationError, 401, "authentication-failed", "The request is not authentic"),
    (ValidationFailedError, 400, "invalid-parameters", "Parameters are missing, unknown or invalid"),
    (NotFoundError, 404, "not-found", "Not found"),
    (OrderNotRecordedError, 503, "order-not-recorded", "The order exists, but is not recorded"),
    (UnavailableError, 503, "unavailable", "Temporarily unavailable"),
    (PaymentInProgressError, 409, "payment-in-progress", "The payment is in progress"),
    (IdempotencyKeyReusedError, 422, "idempotency-key-reused", "The idempotency key belongs to another payment"),
    (PaymentOutcomeUnknownError, 504, "payment-outcome-unknown", "Payment outcome unknown"),
    (PaymentFailedError, 422, "payment-failed", "The payment failed"),
    (BankAuthorizationExpiredError, 409, "bank-authorization-expired", "The bank authorization has expired"),
    (RequestRejectedError, 422, "rejected-by-paynearme", "PayNearMe rejected the request"),
    (CredentialsRejectedError, 502, "credentials-rejected", "PayNearMe rejected the credentials"),
    (UpstreamError, 502, "paynearme-error", "PayNearMe returned an invalid response"),
    (UpstreamTimeoutError, 504, "paynearme-timeout", "PayNearMe did not respond in time"),
)
_INTERNAL = (500, "internal", "Internal error")


def problem(error: Exception, *, names_only: bool) -> HttpAnswer:
    """Return the one answer that belongs to ``error``.

    With ``names_only`` the faulty parameters are named and not described, as callbacks are answered.
    """
    known = (entry[1:] for entry in _PROBLEMS if isinstance(error, entry[0]))
    status, kind, title = next(known, _INTERNAL)
    body: dict[str, Any] = {"type": f"urn:problem-type:paynearme:{kind}", "title": title, "status": status}
    if isinstance(error, ValidationFailedError):
        if names_only:
            body["parameters"] = sorted(error.faults)
        else:
            faults = sorted(error.faults.items())
            body["errors"] = [{"parameter": name, "description": text} for name, text in faults]
    if isinstance(error, ServiceError):
        body |= error.members()
    answer = _answer(status, "application/problem+json", json.dumps(body))
    if isinstance(error, PaymentInProgressError):
        answer["headers"]["Retry-After"] = str(error.retry_after)
    return answer


def success(content: Mapping[str, Any]) -> HttpAnswer:
    """Return a 200 with ``content`` as JSON."""
    return _answer(200, "application/json", json.dumps(content))


def callback_answer(answer: CallbackAnswer, version: str, response_format: str) -> HttpAnswer:
    """Return a 200 with PayNearMe's envelope for the site's version: ``json`` or ``xml``.

    JSON as in seed ``authorization_callbacks``; XML with the version in the namespace, its dot turned
    into an underscore.
    """
    if response_format == "json":
        return success({answer.envelope: {"version": version, answer.part: answer.fields()}})
    namespace = f"http://www.paynearme.com/api/pnm_xmlschema_v{version.replace('.', '_')}"
    ElementTree.register_namespace("t", namespace)
    root = ElementTree.Element(f"{{{namespace}}}{answer.envelope}", {"version": version})
    part = ElementTree.SubElement(root, f"{{{namespace}}}{answer.part}")
    for name, text in answer.fields().items():
        ElementTree.SubElement(part, f"{{{namespace}}}{name}").text = text
    body = ElementTree.tostring(root, encoding="unicode")
    return _answer(200, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}')


def _answer(status: int, content_type: str, body: str) -> HttpAnswer:
    headers = {"Content-Type": f"{content_type}; charset=utf-8", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
