from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from paynearme.platform.aws_clients import CLIENT_CONFIG, is_retryable
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, RetryableError
from tests.support.aws_errors import client_error
from tests.support.dynamodb_stub import transaction_cancelled

URL = "https://dynamodb.example.com"


@pytest.mark.parametrize(
    "error",
    [
        *(
            TimeoutError(),
            RetryableError(),
            ReadTimeoutError(endpoint_url=URL),
            ConnectionClosedError(endpoint_url=URL),
        ),
        *(client_error("ThrottlingException"), client_error("ProvisionedThroughputExceededException")),
        *(client_error("RequestLimitExceeded"), client_error("RequestThrottled")),
        client_error("TransactionConflictException"),
        *(client_error("TransactionInProgressException"), client_error("InternalServerError", 500)),
        *(client_error("ServiceUnavailable", 503), client_error("UnknownCode", 502)),
        *(transaction_cancelled("None", "TransactionConflict"), transaction_cancelled("ThrottlingError", "None")),
        transaction_cancelled("ProvisionedThroughputExceeded"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_aws_error_temporary_retryable(error: Exception) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize("kind", [EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError])
def test_aws_error_unreachable_service_retryable(kind: type[BotoCoreError]) -> None:
    assert is_retryable(kind(endpoint_url=URL, proxy_url=URL))


@pytest.mark.parametrize(
    "error",
    [
        *(client_error("ValidationException"), client_error("AccessDeniedException")),
        *(client_error("ConditionalCheckFailedException"), client_error("ResourceNotFoundException")),
        *(client_error("IdempotentParameterMismatchException"), client_error("UnrecognizedClientException")),
        *(
            transaction_cancelled("ConditionalCheckFailed", "None"),
            transaction_cancelled("ValidationError"),
            transaction_cancelled(),
        ),
        client_error("TransactionCanceledException"),
        *(NoCredentialsError(), ParamValidationError(report="x"), KeyError("x")),
    ],
    ids=lambda error: str(error)[:60],
)
def test_aws_error_permanent_not_retryable(error: Exception) -> None:
    assert not is_retryable(error)


def test_aws_error_failed_condition_with_conflict_not_retryable() -> None:
    assert not is_retryable(transaction_cancelled("ConditionalCheckFailed", "TransactionConflict"))


def test_aws_client_config_one_attempt_within_maximum() -> None:
    config: Any = CLIENT_CONFIG
    assert config.connect_timeout + config.read_timeout <= MAX_ATTEMPT_SECONDS
    assert config.retries["total_max_attempts"] == 1
