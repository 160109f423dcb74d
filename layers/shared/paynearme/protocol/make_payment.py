"""The request for a payment with a saved method, and its response (PayNearMe docs, Guaranteed ACH)."""

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from paynearme.protocol.api_call import (
    PayNearMeRequest,
    PayNearMeResponse,
    UsDollars,
    error_code,
    identifier_text,
    is_rejection,
    is_success,
    single_object,
    status_word,
)
from paynearme.protocol.api_responses import Dollars
from paynearme.protocol.types import Flag, Identifier, PnmIdentifier, PositiveMoney, matching

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header that identifies a payment. Requests with one key are one payment."""

_PNM_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ACCEPTED_STATUSES = frozenset({"approved", "authorized", "waiting for review"})
_FAILED_STATUSES = frozenset({"rejected", "declined", "failed"})
_SITE_PAYMENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paynearme-serverless:make-payment")

IdempotencyKey = Annotated[
    str,
    matching(r"[!-~]{1,255}", "must be 1 to 255 visible ASCII characters"),
    WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"}),
]


class MakePaymentRequest(PayNearMeRequest):
    """A request for a payment with a saved payment method of the customer."""

    header_fields: ClassVar[tuple[str, ...]] = (IDEMPOTENCY_KEY,)

    idempotency_key: IdempotencyKey = Field(
        alias=IDEMPOTENCY_KEY,
        exclude=True,
        repr=False,
        description="The caller's key of the payment, such as a UUID. Requests with the same key and content are "
        "one payment. A new payment needs a new key.",
    )
    pnm_order_identifier: PnmIdentifier
    payment_method_identifier: Identifier
    payment_amount: PositiveMoney
    payment_currency: UsDollars
    site_channel: Identifier = Field(description="The source of the payment, a value of PayNearMe such as consumer.")
    site_order_identifier: Identifier | None = Field(
        default=None, description="The merchant's identifier of the same order, in addition to PayNearMe's."
    )
    agent_identifier: Identifier | None = Field(
        default=None, description="The merchant's agent that makes the payment for the customer."
    )
    ach_sec_code: Identifier | None = Field(
        default=None, description="The customer's authorization of an ACH payment, a code of Nacha such as WEB or TEL."
    )
    recurring: Flag | None = Field(default=None, description="Whether the payment is recurring.")
    pricing_schedule_name: Identifier | None = Field(
        default=None, description="The pricing schedule, a value of PayNearMe such as consumer or agent."
    )

    def site_payment_identifier(self, site_id: str) -> str:
        """Return the merchant's identifier of the payment, derived from ``site_id`` and the key."""
        return str(uuid.uuid5(_SITE_PAYMENT_NAMESPACE, json.dumps([site_id, self.idempotency_key])))

    def fingerprint(self) -> str:
        """Return a hash that is equal for requests for the same payment.

        The additional parameters are hashed with the key, which is not stored, because they can be personal data.
        """
        content: dict[str, str] = self.to_parameters()
        if self.additional_parameters:
            additional = json.dumps(self.additional_parameters, sort_keys=True).encode()
            content = {name: text for name, text in content.items() if name not in self.additional_parameters}
            content["additional_parameters"] = hmac.new(self.idempotency_key.encode(), additional, "sha256").hexdigest()
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class SubmittedPayment(PayNearMeResponse):
    """A payment that PayNearMe accepted. The confirmation callback contains its outcome."""

    status: Literal["submitted", "confirmed"] = Field(
        description="submitted: PayNearMe accepted the payment. confirmed: PayNearMe's response was lost, and its "
        "confirmation shows that the payment was made."
    )
    site_payment_identifier: str = Field(
        description="The identifier in PayNearMe's callbacks, derived from the site and the Idempotency-Key."
    )
    pnm_payment_identifier: str | None = Field(description="PayNearMe's identifier, if its response contains it.")
    pnm_order_identifier: PnmIdentifier
    payment_method_identifier: Identifier
    payment_amount: Dollars
    payment_currency: str


class SubmissionResult(StrEnum):
    """The meaning of PayNearMe's response to a submission.

    ``FAILED``: PayNearMe declined the payment. ``REJECTED``: PayNearMe rejected the request. Neither paid.
    """

    SUBMITTED = "submitted"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


def submission_result(http_status: int, response: Mapping[str, Any]) -> SubmissionResult:
    """Return the meaning of a response to a submission.

    A wrong ``FAILED`` or ``REJECTED`` causes a second payment, so contradictions and unknown words are ``UNKNOWN``.
    """
    words = {word for part in _parts(response) if (word := status_word(part.get("payment_status")))}
    is_rejected = is_rejection(http_status, response)
    has_code = any(map(error_code, _parts(response)))
    if http_status >= 300 and not is_rejected:
        return SubmissionResult.UNKNOWN
    if words & _ACCEPTED_STATUSES:
        is_clear = words <= _ACCEPTED_STATUSES and status_word(response.get("status")) in ("ok", None)
        is_clear = is_clear and not (has_code or is_rejected or response.get("errors"))
        return SubmissionResult.SUBMITTED if is_clear else SubmissionResult.UNKNOWN
    if is_rejected:
        return SubmissionResult.REJECTED
    if has_code or (words and words <= _FAILED_STATUSES):
        return SubmissionResult.FAILED
    is_submitted = not words and not response.get("errors") and is_success(http_status, response)
    return SubmissionResult.SUBMITTED if is_submitted else SubmissionResult.UNKNOWN


def submission_error_code(response: Mapping[str, Any]) -> str | None:
    """Return the ``response_code`` of a failed or rejected submission, or ``None``."""
    return next(filter(None, map(error_code, _parts(response))), None)


def _parts(response: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the response and its payment. PayNearMe does not document which of them has a field."""
    return (response, single_object(response, "payment"))


def extract_payment_identifier(response: Mapping[str, Any]) -> str | None:
    """Return the ``pnm_payment_identifier`` of PayNearMe's response, or ``None``."""
    for part in _parts(response):
        identifier = identifier_text(part.get("pnm_payment_identifier"))
        if isinstance(identifier, str) and _PNM_IDENTIFIER.fullmatch(identifier):
            return identifier
    return None
