from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
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

URL = "https://dynamodb.example.com"


def client_error(code: str, status: int = 400, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "TransactWriteItems")


def cancelled(*reasons: str) -> ClientError:
    reasons_list = [{"Code": reason} for reason in reasons]
    return client_error("TransactionCanceledException", CancellationReasons=reasons_list)


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
        *(client_error("ServiceUnavailable", 503), client_error("Whatever", 502)),
        *(cancelled("None", "TransactionConflict"), cancelled("ThrottlingError", "None")),
        cancelled("ProvisionedThroughputExceeded"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize("kind", [EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError])
def test_a_service_that_was_not_reached_is_tried_again(kind: type[BotoCoreError]) -> None:
    assert is_retryable(kind(endpoint_url=URL, proxy_url=URL))


@pytest.mark.parametrize(
    "error",
    [
        *(client_error("ValidationException"), client_error("AccessDeniedException")),
        *(client_error("ConditionalCheckFailedException"), client_error("ResourceNotFoundException")),
        *(client_error("IdempotentParameterMismatchException"), client_error("UnrecognizedClientException")),
        *(cancelled("ConditionalCheckFailed", "None"), cancelled("ValidationError"), cancelled()),
        client_error("TransactionCanceledException"),
        *(NoCredentialsError(), ParamValidationError(report="x"), KeyError("x")),
    ],
    ids=lambda error: str(error)[:60],
)
def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    assert not is_retryable(error)


def test_a_failed_condition_is_an_answer_even_beside_a_conflict() -> None:
    assert not is_retryable(cancelled("ConditionalCheckFailed", "TransactionConflict"))


def test_one_attempt_is_one_request_and_takes_no_longer_than_it_says() -> None:
    config: Any = CLIENT_CONFIG
    assert config.connect_timeout + config.read_timeout <= MAX_ATTEMPT_SECONDS
    assert config.retries["total_max_attempts"] == 1
