"""Every error this project raises. ``answers`` maps each to one fixed HTTP answer.

A declined payment is no error: it is a ``policy.Decision``.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ServiceError(Exception):
    """Parent of all errors below. Its text is for developers and reaches no caller.

    It reaches no log, either, but for a policy's faults, which the policy's author must read.
    """

    def extensions(self) -> Mapping[str, Any]:
        """Return what a caller of the backend API is told beside the fixed title: JSON values by name."""
        return {}


class MalformedRequestError(ServiceError):
    """The request cannot be read as parameters: bad JSON or UTF-8, nesting, a name twice or malformed."""


class PayloadTooLargeError(ServiceError):
    """The request is larger than any message of the protocol."""


class AuthenticationError(ServiceError):
    """The callback does not prove that it comes from PayNearMe, now, for one of our sites.

    ``reason`` is a fixed code for logs and metrics. The sender never learns it, because it would
    tell a forger which part of a guess was right.
    """

    reason = "authentication_failed"


class UnknownSiteError(AuthenticationError):
    """The callback names no site, or one that is not ours."""

    reason = "unknown_site"


class UnsupportedVersionError(AuthenticationError):
    """The callback names another API version than the site's key has."""

    reason = "wrong_version"


class SignatureError(AuthenticationError):
    """The signature is missing, malformed or wrong, or there is nothing to check it with."""

    reason = "wrong_signature"


class StaleTimestampError(AuthenticationError):
    """The callback's timestamp lies too far in the past or in the future."""

    reason = "wrong_age"


class ValidationFailedError(ServiceError):
    """The message is not what the protocol says it is.

    ``faults`` maps the parameters' names to fixed descriptions. It never holds a value.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        """Take the faults, a fixed description by parameter name."""
        super().__init__("invalid message")
        self.errors = dict(errors)


class NotFoundError(ServiceError):
    """Nothing is known of what a call asks for."""


class PolicyInvalidError(ServiceError):
    """The policy document is not valid. ``faults`` tells its author what is wrong and where, a line each."""

    def __init__(self, errors: Sequence[str]) -> None:
        """Take the faults."""
        super().__init__("the policy is not valid: " + "; ".join(errors))
        self.errors = list(errors)


class UnavailableError(ServiceError):
    """Something of ours that the answer depends on is gone, slow or broken; the sender should try again."""


class SiteKeysUnavailableError(UnavailableError):
    """The sites' keys cannot be read, or what was read is not a valid document."""


class PolicyUnavailableError(UnavailableError):
    """No policy can be read, or what was read is not a valid document, and none was kept."""


class AccessTokenUnavailableError(UnavailableError):
    """The store of access tokens cannot be read."""


class LedgerUnavailableError(UnavailableError):
    """The ledger did not take the write in the time that was left."""


class OrderNotRecordedError(UnavailableError):
    """PayNearMe created an order, and it could not be written down: authorizations do not know it."""

    def __init__(self, pnm_order_identifier: str) -> None:
        """Take PayNearMe's identifier of the order."""
        super().__init__("the order is not written down")
        self.pnm_order_identifier = pnm_order_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return the order's identifier, by which it can be fed."""
        return {"pnm_order_identifier": self.pnm_order_identifier}


class RequestRejectedError(ServiceError):
    """PayNearMe understood the call and said no."""

    def __init__(self, response_code: str | None, descriptions: Sequence[str]) -> None:
        """Take PayNearMe's ``response_code`` (where it gave one) and its descriptions."""
        super().__init__("refused by PayNearMe")
        self.response_code = response_code
        self.descriptions = list(descriptions)

    def extensions(self) -> Mapping[str, Any]:
        """Return PayNearMe's own words."""
        errors = [{"description": text} for text in self.descriptions]
        return {"response_code": self.response_code, "errors": errors}


class BankAuthorizationExpiredError(RequestRejectedError):
    """The bank's authorization of a guaranteed ACH payment method has expired (response code 6513)."""

    def __init__(
        self,
        response_code: str | None,
        descriptions: Sequence[str],
        payment_method_identifier: str,
        pnm_order_identifier: str,
        site_identifier: str,
    ) -> None:
        """Take what PayNearMe said, and of which payment method, order and site."""
        super().__init__(response_code, descriptions)
        self.site_identifier = site_identifier
        self.payment_method_identifier = payment_method_identifier
        self.pnm_order_identifier = pnm_order_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return also the method, and what to ask a Smart Token for with which the customer reconnects."""
        reconnect = {
            "site_identifier": self.site_identifier,
            "pnm_order_identifier": self.pnm_order_identifier,
            "flow_trustly": "true",
            "flow_trustly_reconnect": self.payment_method_identifier,
        }
        method = self.payment_method_identifier
        return {**super().extensions(), "payment_method_identifier": method, "reconnect": reconnect}


class UpstreamError(ServiceError):
    """PayNearMe could not be reached, failed, or gave an answer that is none.

    ``detail`` says which, in fixed words, for logs.
    """

    def __init__(self, detail: str = "") -> None:
        """Take the detail."""
        super().__init__("PayNearMe is out of order")
        self.detail = detail


class RequestNotAcceptedError(UpstreamError):
    """The call had no effect: it did not reach PayNearMe, or was turned away at the door."""


class CredentialsRejectedError(RequestNotAcceptedError):
    """PayNearMe did not accept our signature, our access token, our client or our site."""


class AccessTokenRejectedError(CredentialsRejectedError):
    """PayNearMe did not accept the signature or the access token of a call (401)."""


class UpstreamTimeoutError(ServiceError):
    """PayNearMe did not answer in the time that was left."""


class UpstreamConnectTimeoutError(UpstreamTimeoutError):
    """The call did not even reach PayNearMe in the time that was left."""


class PaymentInProgressError(ServiceError):
    """Another call with the same Idempotency-Key is about to make the payment."""

    def __init__(self, retry_after: int) -> None:
        """Take the seconds after which it will be known what became of it."""
        super().__init__("the payment is under way")
        self.retry_after = retry_after


class IdempotencyKeyReusedError(ServiceError):
    """The Idempotency-Key belongs to a payment with other content."""


class PaymentOutcomeUnknownError(ServiceError):
    """A payment was asked for, and nobody can tell yet whether PayNearMe made it. It is no failure."""

    def __init__(self, site_payment_identifier: str) -> None:
        """Take our identifier of the payment."""
        super().__init__("the payment's outcome is not known")
        self.site_payment_identifier = site_payment_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return our identifier of the payment, by which PayNearMe knows it as well."""
        return {"site_payment_identifier": self.site_payment_identifier}


class PaymentFailedError(ServiceError):
    """PayNearMe told in a confirmation that the payment was declined."""

    def __init__(self, site_payment_identifier: str, pnm_payment_identifier: str | None) -> None:
        """Take our identifier of the payment, and PayNearMe's."""
        super().__init__("the payment was declined")
        self.site_payment_identifier = site_payment_identifier
        self.pnm_payment_identifier = pnm_payment_identifier

    def extensions(self) -> Mapping[str, Any]:
        """Return both identifiers."""
        return {
            "site_payment_identifier": self.site_payment_identifier,
            "pnm_payment_identifier": self.pnm_payment_identifier,
        }


class InvocationFailedError(ServiceError):
    """What Lambda was to work on could not be finished. Lambda brings all of it again."""


class EventPublishFailedError(UnavailableError):
    """The event bus, or the queue for what cannot be published, did not take what is to be told."""
