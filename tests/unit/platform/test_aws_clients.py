from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from paynearme.platform.aws_clients import client_config, is_retryable
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, RetryableError
from paynearme.platform.dynamodb import SHORT_ATTEMPT_SECONDS
from tests.support.aws_errors import client_error, transaction_cancelled

URL = "https://dynamodb.example.com"


@pytest.mark.parametrize(
    "error",
    [
        *(TimeoutError(), RetryableError()),
        *(ReadTimeoutError(endpoint_url=URL), EndpointConnectionError(endpoint_url=URL)),
        *(client_error("ThrottlingException"), client_error("TransactionConflictException")),
        *(client_error("InternalServerError", 200), client_error("UnknownCode", 500)),
        *(transaction_cancelled("None", "TransactionConflict"), transaction_cancelled("ThrottlingError", "None")),
        transaction_cancelled("ProvisionedThroughputExceeded"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_aws_error_temporary_retryable(error: Exception) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        *(client_error("ConditionalCheckFailedException"), client_error("UnknownCode", 499)),
        *(transaction_cancelled("ValidationError"), transaction_cancelled()),
        transaction_cancelled("ConditionalCheckFailed", "TransactionConflict"),
        *(client_error("TransactionCanceledException", 500), NoCredentialsError(), KeyError("x")),
    ],
    ids=lambda error: str(error)[:60],
)
def test_aws_error_permanent_not_retryable(error: Exception) -> None:
    assert not is_retryable(error)


@pytest.mark.parametrize("max_attempt", [MAX_ATTEMPT_SECONDS, SHORT_ATTEMPT_SECONDS])
def test_aws_client_config_one_attempt_within_maximum(max_attempt: float) -> None:
    config: Any = client_config(max_attempt)
    # The connect timeout applies to the connection and to the TLS handshake.
    assert 2 * config.connect_timeout + config.read_timeout <= max_attempt
    assert config.retries["total_max_attempts"] == 1
