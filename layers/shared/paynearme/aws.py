"""How this project's AWS clients wait, and which of their errors may be tried again."""

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

MAX_ATTEMPT_SECONDS = 2.5
"""The most that one request can take: connecting and then waiting for bytes."""

CLIENT_CONFIG = Config(
    connect_timeout=1,
    read_timeout=1.5,
    # Trying again is ``Deadline.retrying``'s, which knows how much time the answer has left.
    retries={"total_max_attempts": 1, "mode": "standard"},
)

_RETRYABLE_CODES = frozenset(
    {
        "InternalServerError",
        "InternalServiceError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_RETRYABLE_REASONS = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})


def is_retryable(error: BaseException) -> bool:
    """Return whether the same request may do better if it is sent again.

    True when the service was not reached or did not answer, when it was busy or broken, and when a
    DynamoDB transaction lost a race without any of its conditions having failed.
    """
    if isinstance(error, HTTPClientError | ConnectionError):
        return True
    if not isinstance(error, ClientError):
        return False
    if error.response["Error"]["Code"] == "TransactionCanceledException":
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        return bool(reasons & _RETRYABLE_REASONS) and "ConditionalCheckFailed" not in reasons
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _RETRYABLE_CODES or status >= 500
