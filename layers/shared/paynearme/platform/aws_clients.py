"""The configuration of all AWS clients, and the one predicate for retryable errors."""

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from paynearme.platform.deadline import RetryableError

CLIENT_CONFIG = Config(
    # Together at most ``deadline.MAX_ATTEMPT_SECONDS``.
    connect_timeout=1,
    read_timeout=1.5,
    # ``Deadline.call`` retries, because it respects the remaining time.
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
    """Return whether a retry of the same AWS request can succeed.

    True for an attempt that timed out, and for an unreachable, throttling or failing service. Also true for a
    DynamoDB transaction that conflicted with another transaction, if none of its conditions failed.
    """
    if isinstance(error, TimeoutError | RetryableError | HTTPClientError | ConnectionError):
        return True
    if not isinstance(error, ClientError):
        return False
    if error.response["Error"]["Code"] == "TransactionCanceledException":
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        return bool(reasons & _RETRYABLE_REASONS) and "ConditionalCheckFailed" not in reasons
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _RETRYABLE_CODES or status >= 500


def is_infrastructure_error(error: BaseException) -> bool:
    """Return whether AWS, the network or the operating system caused an error, not the processed message."""
    return isinstance(error, BotoCoreError | ClientError | RetryableError | OSError)
