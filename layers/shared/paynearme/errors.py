"""Every error this project raises. ``answers`` maps each to one fixed HTTP answer.

A declined payment is no error: it is a ``policy.Decision``.
"""

from collections.abc import Mapping, Sequence


class PayNearMeError(Exception):
    """Parent of all errors below. Its text is for developers and reaches no caller.

    It reaches no log, either, but for a policy's faults, which the policy's author must read.
    """


class UnreadableError(PayNearMeError):
    """The request cannot be read as parameters: bad JSON or UTF-8, nesting, a name twice or malformed."""


class TooLargeError(PayNearMeError):
    """The request is larger than any message of the protocol."""


class AuthenticityError(PayNearMeError):
    """The callback does not prove that it comes from PayNearMe, now, for one of our sites.

    ``reason`` is a fixed code for logs and metrics. The sender never learns it, because it would
    tell a forger which part of a guess was right.
    """

    reason = "not_authentic"


class UnknownSiteError(AuthenticityError):
    """The callback names no site, or one that is not ours."""

    reason = "unknown_site"


class VersionError(AuthenticityError):
    """The callback names another API version than the site's key has."""

    reason = "wrong_version"


class SignatureError(AuthenticityError):
    """The signature is missing, malformed or wrong, or there is nothing to check it with."""

    reason = "wrong_signature"


class AgeError(AuthenticityError):
    """The callback's timestamp lies too far in the past or in the future."""

    reason = "wrong_age"


class InvalidMessageError(PayNearMeError):
    """The message is not what the protocol says it is.

    ``faults`` maps the parameters' names to fixed descriptions. It never holds a value.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        """Take the faults, a fixed description by parameter name."""
        super().__init__("invalid message")
        self.faults = dict(faults)


class NotFoundError(PayNearMeError):
    """Nothing is known of what a call asks for."""


class PolicyError(PayNearMeError):
    """The policy document is not valid. ``faults`` tells its author what is wrong and where, a line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Take the faults."""
        super().__init__("the policy is not valid: " + "; ".join(faults))
        self.faults = list(faults)


class UnavailableError(PayNearMeError):
    """Something of ours that the answer depends on is gone, slow or broken; the sender should try again."""


class SitesUnavailableError(UnavailableError):
    """The sites' keys cannot be read, or what was read is not a valid document."""


class PolicyUnavailableError(UnavailableError):
    """No policy can be read, or what was read is not a valid document, and none was kept."""


class LedgerUnavailableError(UnavailableError):
    """The ledger did not take the write in the time that was left."""


class RefusedByPayNearMeError(PayNearMeError):
    """PayNearMe understood the call and said no."""

    def __init__(self, response_code: str | None, descriptions: Sequence[str]) -> None:
        """Take PayNearMe's ``response_code`` (where it gave one) and its descriptions."""
        super().__init__("refused by PayNearMe")
        self.response_code = response_code
        self.descriptions = list(descriptions)


class PayNearMeFaultError(PayNearMeError):
    """PayNearMe could not be reached, failed, or gave an answer that is none.

    ``detail`` says which, in fixed words, for logs.
    """

    def __init__(self, detail: str = "") -> None:
        """Take the detail."""
        super().__init__("PayNearMe is out of order")
        self.detail = detail


class CredentialsRefusedError(PayNearMeFaultError):
    """PayNearMe did not accept our signature or our site."""


class PayNearMeTimeoutError(PayNearMeError):
    """PayNearMe did not answer in the time that was left."""
