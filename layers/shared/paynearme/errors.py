"""Every error that this project raises, with its HTTP response and its metrics.

A declined payment is not an error: it is a ``policy.Decision``. A new error is one class in this module.

    ServiceError
    ├── MalformedRequestError, PayloadTooLargeError, ValidationFailedError, NotFoundError
    │   └── UnprocessableCallbackError
    ├── AuthenticationError
    │   └── UnknownSiteError, UnsupportedVersionError, SignatureError
    ├── PolicyInvalidError
    ├── UnavailableError
    │   └── SiteKeysUnavailableError, PolicyUnavailableError, AccessTokenUnavailableError,
    │       LedgerUnavailableError, OrderNotRecordedError, EventPublishFailedError
    ├── RequestRejectedError
    │   └── BankAuthorizationExpiredError, PaymentFailedError
    ├── UpstreamError
    │   └── RequestNotAcceptedError
    │       └── CredentialsRejectedError
    │           └── AccessTokenRejectedError
    ├── UpstreamTimeoutError
    │   └── UpstreamConnectTimeoutError
    ├── PaymentInProgressError, IdempotencyKeyReusedError, PaymentOutcomeUnknownError
    └── InvocationFailedError
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar


class ServiceError(Exception):
    """Base class of all errors below. Its text is for developers and reaches no caller and no log.

    ``status``, ``problem_type`` and ``title`` are the HTTP response (RFC 9457). ``metric`` counts requests that
    end with this error. ``upstream_metric`` counts calls to PayNearMe that end with it. An error of PayNearMe has
    no ``metric``, because ``upstream_metric`` counts the call, and a stored error involves no call.
    """

    status: ClassVar[int] = 500
    problem_type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    metric: ClassVar[str | None] = "InternalError"
    upstream_metric: ClassVar[str | None] = None

    def extensions(self) -> Mapping[str, Any]:
        """Return the extension members of the problem response: JSON values by name."""
        return {}

    def headers(self) -> Mapping[str, str]:
        """Return additional headers of the problem response."""
        return {}


class MalformedRequestError(ServiceError):
    """The request cannot be parsed: invalid JSON or UTF-8, nested values, duplicate or malformed names."""

    status, problem_type, title = 400, "malformed-request", "The request is malformed"
    metric = "MalformedRequest"


class PayloadTooLargeError(ServiceError):
    """The request is larger than any message of the protocol."""

    status, problem_type, title = 413, "payload-too-large", "The request is too large"
    metric = "PayloadTooLarge"


class AuthenticationError(ServiceError):
    """The signature or the version of the callback is invalid, or its site is not configured.

    ``reason`` is a fixed code for the log. The response never contains it: it would help to forge a signature.
    """

    status, problem_type, title = 401, "authentication-failed", "The request is not authentic"
    metric = "AuthenticationFailed"
    reason: ClassVar[str] = "authentication_failed"


class UnknownSiteError(AuthenticationError):
    """The callback names no site, or a site that is not configured."""

    reason = "unknown_site"


class UnsupportedVersionError(AuthenticationError):
    """The callback names another API version than the site's key has."""

    reason = "unsupported_version"


class SignatureError(AuthenticationError):
    """The signature is missing, malformed or wrong, or no key can verify it."""

    reason = "invalid_signature"


class ValidationFailedError(ServiceError):
    """The message violates the protocol.

    ``errors`` maps parameter names to fixed descriptions. It never contains a value of the message.
    """

    status, problem_type, title = 400, "invalid-parameters", "Parameters are missing, unknown or invalid"
    metric = "ValidationFailed"

    def __init__(self, errors: Mapping[str, str]) -> None:
        """Store a fixed description for each invalid parameter."""
        super().__init__("invalid message")
        self.errors = dict(errors)


class UnprocessableCallbackError(ValidationFailedError):
    """An authentic callback cannot be processed and belongs into the quarantine.

    ``reason`` is a ``QuarantineReason``. The sender receives an error only if the callback names no order.
    """

    def __init__(self, reason: str, errors: Mapping[str, str] = MappingProxyType({})) -> None:
        """Store the reason, and a fixed description for each invalid parameter."""
        super().__init__(errors)
        self.reason = reason


class NotFoundError(ServiceError):
    """The requested order, customer or payment does not exist."""

    status, problem_type, title = 404, "not-found", "Not found"
    metric = "NotFound"


class PolicyInvalidError(ServiceError):
    """The policy document is not valid. ``errors`` has one line for each error, with its location."""

    metric = "PolicyInvalid"

    def __init__(self, errors: Sequence[str]) -> None:
        """Store the errors. The text contains them, because the author of the policy reads it."""
        super().__init__("the policy is not valid: " + "; ".join(errors))
        self.errors = list(errors)


class UnavailableError(ServiceError):
    """A dependency of this service is unreachable, slow or broken. The sender must retry."""

    status, problem_type, title = 503, "unavailable", "Temporarily unavailable"
    metric = "Unavailable"


class SiteKeysUnavailableError(UnavailableError):
    """The sites' secret cannot be read, or it has no valid entry of the site, and no earlier entry is cached."""

    metric = "SiteKeysUnavailable"


class PolicyUnavailableError(UnavailableError):
    """No valid policy can be read, and no earlier policy is cached."""

    metric = "PolicyUnavailable"


class AccessTokenUnavailableError(UnavailableError):
    """The store of access tokens cannot be read."""

    metric = "AccessTokenUnavailable"


class LedgerUnavailableError(UnavailableError):
    """The ledger did not complete a request before the deadline."""

    metric = "LedgerUnavailable"


class OrderNotRecordedError(UnavailableError):
    """PayNearMe created an order, and the ledger did not store it. Authorizations do not find it."""

    problem_type, title = "order-not-recorded", "The order exists, but is not recorded"
    metric = "OrderNotRecorded"

    def __init__(self, pnm_order_identifier: str) -> None:
        """Store PayNearMe's identifier of the order."""
        super().__init__("the order is not recorded")
        self.pnm_order_identifier = pnm_order_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return the identifier with which the caller can put the order."""
        return {"pnm_order_identifier": self.pnm_order_identifier}


class EventPublishFailedError(UnavailableError):
    """The event bus or the dead-letter queue did not accept a request."""

    metric = "EventPublishFailed"


class RequestRejectedError(ServiceError):
    """PayNearMe understood the request and rejected it."""

    status, problem_type, title = 422, "rejected-by-paynearme", "PayNearMe rejected the request"
    metric: ClassVar[str | None] = None
    upstream_metric: ClassVar[str | None] = "PayNearMeRejected"

    def __init__(self, response_code: str | None, descriptions: Sequence[str]) -> None:
        """Store PayNearMe's ``response_code``, if any, and its descriptions."""
        super().__init__("rejected by PayNearMe")
        self.response_code = response_code
        self.descriptions = list(descriptions)

    def extensions(self) -> Mapping[str, Any]:
        """Return PayNearMe's code and descriptions."""
        errors = [{"description": text} for text in self.descriptions]
        return {"response_code": self.response_code, "errors": errors}


class BankAuthorizationExpiredError(RequestRejectedError):
    """The bank authorization of a guaranteed ACH payment method has expired (response code 6513)."""

    status, problem_type, title = 409, "bank-authorization-expired", "The bank authorization has expired"
    upstream_metric = "PayNearMeBankAuthorizationExpired"

    def __init__(
        self,
        response_code: str | None,
        descriptions: Sequence[str],
        payment_method_identifier: str,
        pnm_order_identifier: str,
        site_identifier: str,
    ) -> None:
        """Store PayNearMe's response, and the payment method, order and site of the request."""
        super().__init__(response_code, descriptions)
        self.site_identifier = site_identifier
        self.payment_method_identifier = payment_method_identifier
        self.pnm_order_identifier = pnm_order_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return also the payment method, and the Smart Token parameters that reconnect the bank."""
        reconnect = {
            "site_identifier": self.site_identifier,
            "pnm_order_identifier": self.pnm_order_identifier,
            "flow_trustly": "true",
            "flow_trustly_reconnect": self.payment_method_identifier,
        }
        method = self.payment_method_identifier
        return {**super().extensions(), "payment_method_identifier": method, "reconnect": reconnect}


class UpstreamError(ServiceError):
    """PayNearMe is unreachable, failed, or returned an invalid response.

    ``detail`` is a fixed description for the log.
    """

    status, problem_type, title = 502, "paynearme-error", "PayNearMe returned an invalid response"
    metric = None
    upstream_metric = "PayNearMeError"

    def __init__(self, detail: str = "") -> None:
        """Store the detail."""
        super().__init__("PayNearMe returned an invalid response")
        self.detail = detail


class RequestNotAcceptedError(UpstreamError):
    """The request had no effect: it did not reach PayNearMe, or PayNearMe did not process it."""

    upstream_metric = "PayNearMeNotAccepted"


class CredentialsRejectedError(RequestNotAcceptedError):
    """PayNearMe rejected the signature, the access token, the OAuth client or the site."""

    problem_type, title = "credentials-rejected", "PayNearMe rejected the credentials"
    upstream_metric = "PayNearMeCredentialsRejected"


class AccessTokenRejectedError(CredentialsRejectedError):
    """PayNearMe rejected the signature or the access token of a request (HTTP 401)."""


class UpstreamTimeoutError(ServiceError):
    """PayNearMe did not respond before the deadline."""

    status, problem_type, title = 504, "paynearme-timeout", "PayNearMe did not respond in time"
    metric = None
    upstream_metric = "PayNearMeTimeout"


class UpstreamConnectTimeoutError(UpstreamTimeoutError):
    """The request did not reach PayNearMe before the deadline."""

    upstream_metric = "PayNearMeUnreachable"


class PaymentInProgressError(ServiceError):
    """Another request with the same Idempotency-Key is submitting the payment."""

    status, problem_type, title = 409, "payment-in-progress", "The payment is in progress"
    metric = "PaymentInProgress"

    def __init__(self, retry_after: int) -> None:
        """Store the seconds after which the outcome is available."""
        super().__init__("the payment is in progress")
        self.retry_after = retry_after

    def headers(self) -> Mapping[str, str]:
        """Return when the caller can retry."""
        return {"Retry-After": str(self.retry_after)}


class IdempotencyKeyReusedError(ServiceError):
    """The Idempotency-Key belongs to a payment with other content."""

    status, problem_type, title = 422, "idempotency-key-reused", "The idempotency key belongs to another payment"
    metric = "IdempotencyKeyReused"


class PaymentOutcomeUnknownError(ServiceError):
    """A payment was submitted, and its outcome is unknown until PayNearMe confirms it."""

    status, problem_type, title = 504, "payment-outcome-unknown", "Payment outcome unknown"
    metric = "PaymentOutcomeUnknown"

    def __init__(self, site_payment_identifier: str) -> None:
        """Store the identifier that this service gave the payment."""
        super().__init__("the payment's outcome is unknown")
        self.site_payment_identifier = site_payment_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return the identifier, by which PayNearMe can find the payment."""
        return {"site_payment_identifier": self.site_payment_identifier}


class PaymentFailedError(RequestRejectedError):
    """PayNearMe declined a submitted payment, in its response or in the confirmation."""

    problem_type, title = "payment-failed", "The payment failed"
    # The metric PaymentFailed counts confirmations. The cause of the error counts the call.
    metric, upstream_metric = "SubmittedPaymentFailed", None

    def __init__(
        self,
        site_payment_identifier: str,
        pnm_payment_identifier: str | None,
        response_code: str | None = None,
        descriptions: Sequence[str] = (),
    ) -> None:
        """Store this service's identifier of the payment, and PayNearMe's with its code and descriptions, if any."""
        super().__init__(response_code, descriptions)
        self.site_payment_identifier = site_payment_identifier
        self.pnm_payment_identifier = pnm_payment_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return also both identifiers."""
        return {
            **super().extensions(),
            "site_payment_identifier": self.site_payment_identifier,
            "pnm_payment_identifier": self.pnm_payment_identifier,
        }


class InvocationFailedError(ServiceError):
    """A scheduled or stream invocation failed. Lambda invokes the function again with the same event."""
