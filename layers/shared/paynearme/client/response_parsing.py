"""Parse PayNearMe's responses, and convert rejections and invalid responses to errors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from urllib3 import BaseHTTPResponse

from paynearme.errors import (
    AccessTokenRejectedError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    PaymentFailedError,
    RequestNotAcceptedError,
    RequestRejectedError,
    UpstreamError,
)
from paynearme.platform.observability import add_metric
from paynearme.protocol.api_call import (
    PayNearMeRequest,
    PayNearMeResponse,
    error_code,
    identifier_text,
    is_rejection,
    is_success,
)
from paynearme.protocol.create_order import PII_FIELDS
from paynearme.protocol.make_payment import (
    MakePaymentRequest,
    SubmissionResult,
    extract_payment_identifier,
    submission_error_code,
    submission_result,
)
from paynearme.sites.site import ResolvedSite

_BANK_AUTHORIZATION_EXPIRED = "6513"


@dataclass(frozen=True)
class RawResponse:
    """The HTTP status and the JSON object of a response."""

    status: int
    content: dict[str, Any]


def parse_model[M: PayNearMeResponse](model: type[M], content: Mapping[str, Any]) -> M:
    """Return the fields of a successful response. Raises ``UpstreamError`` for invalid content.

    Invalid entries of a list are left out and counted.
    """
    ignored_entries: list[str] = []
    try:
        parsed = model.model_validate(content, context=ignored_entries)
    except ValidationError:
        raise UpstreamError(f"no {model.__name__}") from None
    if ignored_entries:
        add_metric("PayNearMeEntryIgnored", len(ignored_entries))
    return parsed


def parse_body(response: BaseHTTPResponse) -> RawResponse:
    """Return the status and the JSON object of a response. Raise the error of a response without one, and of a 5xx."""
    if response.status == 401:
        raise AccessTokenRejectedError("status 401")
    if response.status == 403:
        raise CredentialsRejectedError("status 403")
    if response.status == 429:
        raise RequestNotAcceptedError("status 429")
    try:
        content = json.loads(response.data)
    except (ValueError, RecursionError):
        raise UpstreamError(f"status {response.status}, no JSON") from None
    if response.status >= 500 or not isinstance(content, dict):
        raise UpstreamError(f"status {response.status}")
    return RawResponse(response.status, content)


def read_content(response: RawResponse, request: PayNearMeRequest) -> dict[str, Any]:
    """Return the content of a successful response, or raise the error that the response means."""
    if is_rejection(response.status, response.content):
        raise _rejection(response, error_code(response.content), request)
    if not is_success(response.status, response.content):
        raise UpstreamError(f"status {response.status}, neither ok nor error")
    return response.content


def read_submission(
    response: RawResponse, request: MakePaymentRequest, site: ResolvedSite, site_payment_identifier: str
) -> str | None:
    """Return PayNearMe's identifier of a submitted payment, or raise the error that the response means."""
    result = submission_result(response.status, response.content)
    if result is SubmissionResult.UNKNOWN:
        raise UpstreamError(f"status {response.status}, unclear")
    pnm_payment_identifier = extract_payment_identifier(response.content)
    if result is SubmissionResult.SUBMITTED:
        return pnm_payment_identifier
    code = submission_error_code(response.content)
    rejection = _rejection(response, code, request)
    code_and_descriptions = (rejection.response_code, rejection.descriptions)
    if code == _BANK_AUTHORIZATION_EXPIRED:
        method, order = request.payment_method_identifier, request.pnm_order_identifier
        raise BankAuthorizationExpiredError(*code_and_descriptions, method, order, site.identifier)
    if result is SubmissionResult.FAILED:
        raise PaymentFailedError(site_payment_identifier, pnm_payment_identifier, *code_and_descriptions) from rejection
    raise rejection


def _rejection(response: RawResponse, code: str | None, request: PayNearMeRequest) -> RequestRejectedError:
    """Return the rejection without personal data of the request, which PayNearMe's texts can repeat."""
    additional = request.additional_parameters or {}
    # A short additional value, such as 1, is redacted only as a word: it can be a part of PayNearMe's code.
    sensitive = [
        (value, rf"(?<!\w){re.escape(value)}(?!\w)" if name in additional and len(value) < 4 else re.escape(value))
        for name, value in request.to_parameters().items()
        if value and (name.endswith("_pii") or name in PII_FIELDS or name in additional)
    ]
    # Longer values first: a name can be a part of an e-mail address.
    sensitive.sort(key=lambda pair: len(pair[0]), reverse=True)
    pattern = re.compile("|".join(text for _, text in sensitive) or r"(?!)", re.IGNORECASE)

    def redact(text: str) -> str:
        return pattern.sub("(redacted)", text)

    descriptions = [redact(text) for text in _descriptions(response.content.get("errors"))]
    return RequestRejectedError(None if code is None else redact(code), descriptions)


def _descriptions(errors: object) -> list[str]:
    """Return the texts of ``errors``. An entry is text, or an object with a ``description``."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = [identifier_text(entry.get("description") if isinstance(entry, dict) else entry) for entry in entries]
    return [text for text in texts if text and isinstance(text, str)]
