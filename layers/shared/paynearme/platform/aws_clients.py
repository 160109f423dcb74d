"""The clients of all AWS services, and the one predicate for retryable errors."""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.session import Session, get_session

from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, RetryableError


@cache
def client_config(max_attempt: float = MAX_ATTEMPT_SECONDS, **options: Any) -> Config:
    """Return a configuration whose socket timeouts together are ``max_attempt`` seconds.

    The connect timeout applies twice: to the connection, and to the TLS handshake.
    """
    return Config(
        connect_timeout=0.25 * max_attempt,
        read_timeout=0.5 * max_attempt,
        # ``Deadline`` retries, because it respects the remaining time.
        retries={"total_max_attempts": 1, "mode": "standard"},
        **options,
    )


# boto3 would also import its resources, which no function uses.
@cache
def shared_session() -> Session:
    """Return the session of all clients of this process."""
    return get_session()


def create_client(service: str, config: Config | None = None) -> Any:
    """Return a client of an AWS service, with ``client_config`` by default."""
    return shared_session().create_client(service, config=config or client_config())


def session_credentials() -> Credentials | None:
    """Return the credentials of all clients, or ``None`` if there are none."""
    return shared_session().get_credentials()


def needs_refresh(credentials: Credentials | None) -> bool:
    """Return whether the next request also refreshes ``credentials``. No timeout of a client limits the refresh."""
    return isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed()


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
