import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError
from urllib3.exceptions import ReadTimeoutError as AnswerTimeoutError

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
from tests.support.aws_errors import client_error
from tests.support.harness import AwsCallRecorder
from tests.support.paynearme_stub import http_response
from tests.support.token_endpoint_stub import TOKEN, TokenEndpointStub, WorkerProcesses

URL = "https://ssm.us-east-1.amazonaws.com"
FIRST_TOKEN, SECOND_TOKEN = f"{TOKEN}-1", f"{TOKEN}-2"


ACCESS_DENIED = client_error("AccessDeniedException")
POOL = HTTPSConnectionPool("login.paynearme.invalid")
HTML_BODY = b"<html>zq7</html>"


FAILED_GRANTS: dict[str, tuple[HTTPResponse | Exception, type[ServiceError]]] = {
    "400": (http_response(400, {"error": "invalid_client"}), CredentialsRejectedError),
    "401": (http_response(401, HTML_BODY), CredentialsRejectedError),
    "403": (http_response(403, {}), CredentialsRejectedError),
    "404": (http_response(404, {}), RequestNotAcceptedError),
    "429": (http_response(429, {}), RequestNotAcceptedError),
    "500": (http_response(500, {"access_token": TOKEN, "token_type": "Bearer"}), RequestNotAcceptedError),
    "redirect": (HTTPResponse(status=302, headers={"Location": "https://zq7.invalid"}), RequestNotAcceptedError),
    "HTML": (http_response(200, HTML_BODY), RequestNotAcceptedError),
    "invalid UTF-8": (http_response(200, b"\xff\xfe"), RequestNotAcceptedError),
    "empty body": (http_response(200, b""), RequestNotAcceptedError),
    "list": (http_response(200, [TOKEN]), RequestNotAcceptedError),
    "text": (http_response(200, TOKEN), RequestNotAcceptedError),
    "null": (http_response(200, None), RequestNotAcceptedError),
    "error with 200": (http_response(200, {"error": "zq7"}), RequestNotAcceptedError),
    "no token": (TokenEndpointStub.granting(access_token=None), RequestNotAcceptedError),
    "numeric token": (TokenEndpointStub.granting(access_token=7), RequestNotAcceptedError),
    "empty token": (TokenEndpointStub.granting(access_token=""), RequestNotAcceptedError),
    "token with a space": (TokenEndpointStub.granting(access_token="zq7 token"), RequestNotAcceptedError),
    "token with a line break": (TokenEndpointStub.granting(access_token="zq7\r\nHost: x"), RequestNotAcceptedError),
    "non-ASCII token": (TokenEndpointStub.granting(access_token="zq7\u00e9"), RequestNotAcceptedError),
    "no token type": (TokenEndpointStub.granting(token_type=None), RequestNotAcceptedError),
    "other token type": (TokenEndpointStub.granting(token_type="mac"), RequestNotAcceptedError),
    "text expiry": (TokenEndpointStub.granting(expires_in="zq7"), RequestNotAcceptedError),
    "list expiry": (TokenEndpointStub.granting(expires_in=[1]), RequestNotAcceptedError),
    "infinite expiry": (
        http_response(200, b'{"access_token": "zq7", "token_type": "Bearer", "expires_in": 1e999}'),
        RequestNotAcceptedError,
    ),
    "expiry of 400 digits": (TokenEndpointStub.granting(expires_in=10**400), RequestNotAcceptedError),
    "text expiry of 400 digits": (TokenEndpointStub.granting(expires_in="9" * 400), RequestNotAcceptedError),
    "deeply nested JSON": (http_response(200, b"[" * 100_000), RequestNotAcceptedError),
    "deeply nested token": (http_response(200, b'{"access_token": ' + b"[" * 100_000), RequestNotAcceptedError),
    "connection refused": (NewConnectionError(HTTPConnection("x"), "zq7"), RequestNotAcceptedError),
    "truncated": (ProtocolError("zq7"), UpstreamError),
    "response timeout": (AnswerTimeoutError(POOL, "/", "zq7"), UpstreamTimeoutError),
    "connect timeout": (ConnectTimeoutError("zq7"), UpstreamConnectTimeoutError),
}


@pytest.mark.parametrize(("response", "error"), FAILED_GRANTS.values(), ids=FAILED_GRANTS)
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
