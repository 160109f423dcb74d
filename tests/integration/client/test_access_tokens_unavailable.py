import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from urllib3 import HTTPResponse

from paynearme.client.access_token_cache import LEASE_SECONDS
from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    LedgerUnavailableError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from tests.support.api_driver import BROKEN_CONNECTION, CONNECT_TIMEOUT, CONNECTION_REFUSED, READ_TIMEOUT
from tests.support.aws_errors import client_error
from tests.support.harness import AwsCallRecorder
from tests.support.paynearme_stub import http_response
from tests.support.token_endpoint_stub import FIRST_TOKEN, SECOND_TOKEN, TOKEN, TokenEndpointStub, WorkerProcesses

URL = "https://ssm.us-east-1.amazonaws.com"
ACCESS_DENIED = client_error("AccessDeniedException")
granting = TokenEndpointStub.granting

FAILED_GRANTS: list[tuple[HTTPResponse | Exception, type[ServiceError]]] = [
    *((http_response(status, {"error": "zq7"}), CredentialsRejectedError) for status in (400, 401, 403)),
    *((http_response(status, {"access_token": TOKEN}), RequestNotAcceptedError) for status in (404, 429, 500)),
    (http_response(302, b"", Location="https://zq7.invalid"), RequestNotAcceptedError),
    *((http_response(200, body), RequestNotAcceptedError) for body in (b"<html>zq7", b"\xff\xfe", b"", b"[" * 100_000)),
    *((http_response(200, body), RequestNotAcceptedError) for body in ([TOKEN], TOKEN, None, {"error": "zq7"})),
    *(
        (granting(access_token=token), RequestNotAcceptedError)
        for token in (None, 7, "", "zq7 token", "zq7\r\nHost: x", "zq7\u00e9")
    ),
    *((granting(token_type=token_type), RequestNotAcceptedError) for token_type in (None, "mac")),
    *((granting(expires_in=seconds), RequestNotAcceptedError) for seconds in ("zq7", [1], 10**400, "9" * 400)),
    (
        http_response(200, b'{"access_token": "zq7", "token_type": "Bearer", "expires_in": 1e999}'),
        RequestNotAcceptedError,
    ),
    (CONNECTION_REFUSED, RequestNotAcceptedError),
    (BROKEN_CONNECTION, UpstreamError),
    (READ_TIMEOUT, UpstreamTimeoutError),
    (CONNECT_TIMEOUT, UpstreamConnectTimeoutError),
]


@pytest.mark.parametrize(("response", "error"), FAILED_GRANTS, ids=range(len(FAILED_GRANTS)))
def test_token_endpoint_failed_grant_raises_error_stores_nothing(
    processes: WorkerProcesses, response: HTTPResponse | Exception, error: type[ServiceError]
) -> None:
    processes.token_endpoint.reply = response

    with pytest.raises(ServiceError) as caught:
        processes.get_access_token()

    assert type(caught.value) is error
    assert "zq7" not in f"{caught.value!r}{vars(caught.value)}{caught.value.__cause__!r}"
    with pytest.raises(processes.ssm.exceptions.ParameterNotFound):
        processes.parameter()


def test_token_endpoint_down_one_request_per_lease(processes: WorkerProcesses) -> None:
    processes.token_endpoint.reply = http_response(500, {})
    with pytest.raises(RequestNotAcceptedError):
        processes.get_access_token()

    for _ in range(5):
        with pytest.raises(UpstreamTimeoutError):
            processes.get_access_token(seconds=3)
    assert len(processes.token_endpoint.requests) == 1

    processes.clock.advance(LEASE_SECONDS + 1)
    processes.token_endpoint.reply = None
    assert processes.get_access_token() == SECOND_TOKEN


@pytest.mark.parametrize("error", [ACCESS_DENIED, ReadTimeoutError(endpoint_url=URL)], ids=["denied", "timeout"])
def test_access_token_parameter_read_failed_is_unavailable(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder, error: Exception
) -> None:
    aws_calls.request_errors["GetParameter"] = error

    with pytest.raises(AccessTokenUnavailableError):
        processes.get_access_token()
    assert processes.token_endpoint.requests == []


def test_access_token_parameter_lost_response_is_retried(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    processes.get_access_token()
    aws_calls.response_errors["GetParameter"] = [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
    ]

    assert processes.get_access_token() == FIRST_TOKEN


def test_lease_without_table_sends_no_token_endpoint_request(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.request_errors["UpdateItem"] = ACCESS_DENIED

    with pytest.raises(LedgerUnavailableError):
        processes.get_access_token()
    assert processes.token_endpoint.requests == []


def test_lease_lost_response_belongs_to_its_writer(processes: WorkerProcesses, aws_calls: AwsCallRecorder) -> None:
    aws_calls.response_errors["UpdateItem"] = [ReadTimeoutError(endpoint_url=URL)]

    assert processes.get_access_token() == FIRST_TOKEN


@pytest.mark.parametrize("error", [ACCESS_DENIED, ReadTimeoutError(endpoint_url=URL)], ids=["denied", "timeout"])
def test_access_token_not_stored_is_cached_in_its_process(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder, error: Exception
) -> None:
    aws_calls.request_errors["PutParameter"] = error
    process = processes.start()

    assert [processes.get_access_token(process), processes.get_access_token(process)] == [FIRST_TOKEN] * 2


def test_lease_release_failed_access_token_still_returned(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.response_errors["PutParameter"] = [None]
    processes.token_endpoint.during_request = [lambda: aws_calls.request_errors.update(UpdateItem=ACCESS_DENIED)]

    assert processes.get_access_token() == FIRST_TOKEN
    assert processes.get_access_token() == FIRST_TOKEN
