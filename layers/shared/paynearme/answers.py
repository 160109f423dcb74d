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

type HttpResponse = dict[str, Any]
"""What a function behind a REST API returns: ``statusCode``, ``headers``, ``body``."""


type CallbackBody = AuthorizationResponse | ConfirmationResponse | ReversalResponse


PROBLEM_TYPES: tuple[tuple[type[ServiceError], int, str, str], ...] = (
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


def problem_response(error: Exception, *, omit_descriptions: bool) -> HttpResponse:
    """Return the one answer that belongs to ``error``.

    With ``names_only`` the faulty parameters are named and not described, as callbacks are answered.
    """
    matches = (entry[1:] for entry in PROBLEM_TYPES if isinstance(error, entry[0]))
    status, problem_type, title = next(matches, _INTERNAL)
    body: dict[str, Any] = {"type": f"urn:problem-type:paynearme:{problem_type}", "title": title, "status": status}
    if isinstance(error, ValidationFailedError):
        if omit_descriptions:
            body["parameters"] = sorted(error.errors)
        else:
            errors = sorted(error.errors.items())
            body["errors"] = [{"parameter": name, "description": text} for name, text in errors]
    if isinstance(error, ServiceError):
        body |= error.extensions()
    response = _response(status, "application/problem+json", json.dumps(body))
    if isinstance(error, PaymentInProgressError):
        response["headers"]["Retry-After"] = str(error.retry_after)
    return response


def json_response(content: Mapping[str, Any]) -> HttpResponse:
    """Return a 200 with ``content`` as JSON."""
    return _response(200, "application/json", json.dumps(content))


def callback_response(response: CallbackBody, version: str, response_format: str) -> HttpResponse:
    """Return a 200 with PayNearMe's envelope for the site's version: ``json`` or ``xml``.

    JSON as in seed ``authorization_callbacks``; XML with the version in the namespace, its dot turned
    into an underscore.
    """
    if response_format == "json":
        return json_response({response.envelope: {"version": version, response.element: response.fields()}})
    namespace = f"http://www.paynearme.com/api/pnm_xmlschema_v{version.replace('.', '_')}"
    ElementTree.register_namespace("t", namespace)
    root = ElementTree.Element(f"{{{namespace}}}{response.envelope}", {"version": version})
    element = ElementTree.SubElement(root, f"{{{namespace}}}{response.element}")
    for name, text in response.fields().items():
        ElementTree.SubElement(element, f"{{{namespace}}}{name}").text = text
    body = ElementTree.tostring(root, encoding="unicode")
    return _response(200, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}')


def _response(status: int, content_type: str, body: str) -> HttpResponse:
    headers = {"Content-Type": f"{content_type}; charset=utf-8", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
