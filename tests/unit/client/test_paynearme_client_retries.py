"""Retries of the client: after failures without effect, and for a payment only after a failed connection."""

from socket import gaierror
from typing import Any

import pytest
from urllib3 import HTTPResponse, Retry
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from tests.support.client_stubs import BASE_URL, RESPONSES, call, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_stub import PayNearMeStub, http_response

POOL = HTTPConnectionPool("api.example.com")
CONNECTION = HTTPConnection("api.example.com")

for_each_operation = pytest.mark.parametrize("operation", RESPONSES)
for_each_retryable = pytest.mark.parametrize("operation", ["get_smart_token", "find_payment_methods"])
for_each_single_attempt = pytest.mark.parametrize("operation", ["create_order", "make_payment"])


def sent_request(operation: str, seconds: float = 6.5) -> dict[str, Any]:
    """Return the request of a call."""
    pool = PayNearMeStub(http_response(200, RESPONSES[operation]))
    call(new_client(pool), operation, resolved_site(), Clock().deadline(seconds))
    [request] = pool.requests
    return request


def count_attempts(retries: Retry, error: HTTPError | None, status: int) -> int:
    """Return the number of attempts that urllib3 makes with ``retries`` if each has the same result."""
    attempts = 1
    while error or retries.is_retry("POST", status):
        try:
            retries = retries.increment("POST", "/", HTTPResponse(status=status), error)
        except HTTPError:
            break
        attempts += 1
    return attempts


@for_each_operation
def test_call_sends_post_request_to_operation(operation: str) -> None:
    request = sent_request(operation)
    assert (request["method"], request["url"]) == ("POST", f"{BASE_URL}/json-api/{operation}")


@for_each_retryable
def test_retries_two_attempts_fit_into_deadline(operation: str) -> None:
    request = sent_request(operation, seconds=7.0)
    attempt_timeout = request["timeout"].total
    assert request["timeout"].connect_timeout < attempt_timeout
    assert 2 * attempt_timeout + request["retries"].backoff_max <= 7.0


@for_each_single_attempt
def test_single_attempt_timeout_is_remaining_time(operation: str) -> None:
    assert sent_request(operation, seconds=5.0)["timeout"].total == 5.0


@for_each_retryable
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_retries_retryable_status_three_attempts(operation: str, status: int) -> None:
    assert count_attempts(sent_request(operation)["retries"], None, status) == 3


LOST_RESPONSES = [ReadTimeoutError(POOL, "/", ""), ProtocolError()]
CONNECT_ERRORS = [
    ConnectTimeoutError(),
    NewConnectionError(CONNECTION, "refused"),
    NameResolutionError("api.example.com", CONNECTION, gaierror()),
]


@for_each_retryable
@pytest.mark.parametrize("error", LOST_RESPONSES, ids=repr)
def test_retries_lost_response_three_attempts(operation: str, error: HTTPError) -> None:
    assert count_attempts(sent_request(operation)["retries"], error, 200) == 3


@for_each_operation
@pytest.mark.parametrize("error", CONNECT_ERRORS, ids=lambda error: type(error).__name__)
def test_retries_no_connection_three_attempts(operation: str, error: HTTPError) -> None:
    assert count_attempts(sent_request(operation)["retries"], error, 200) == 3


@for_each_single_attempt
@pytest.mark.parametrize("error", [*LOST_RESPONSES, SSLError("broken"), HTTPError("anything")], ids=repr)
def test_single_attempt_possibly_received_not_retried(operation: str, error: HTTPError) -> None:
    assert count_attempts(sent_request(operation)["retries"], error, 200) == 1


@for_each_single_attempt
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 408, 413, 429, 500, 502, 503, 504])
def test_single_attempt_any_status_not_retried(operation: str, status: int) -> None:
    retries = sent_request(operation)["retries"]
    assert count_attempts(retries, None, status) == 1
    # Also with a Retry-After header.
    assert not retries.is_retry("POST", status, has_retry_after=True)


@for_each_single_attempt
def test_single_attempt_error_after_connect_retry_not_retried(operation: str) -> None:
    retries = sent_request(operation)["retries"].increment("POST", "/", error=ConnectTimeoutError())
    with pytest.raises(HTTPError):
        retries.increment("POST", "/", error=ProtocolError())


@for_each_retryable
@pytest.mark.parametrize("status", [200, 301, 302, 400, 401, 403, 404, 422])
def test_retries_final_status_one_attempt(operation: str, status: int) -> None:
    assert count_attempts(sent_request(operation)["retries"], None, status) == 1


@for_each_operation
def test_retries_redirect_not_followed(operation: str) -> None:
    request = sent_request(operation)
    assert request["redirect"] is False
    assert not request["retries"].redirect


@for_each_operation
def test_retries_ignore_retry_after_header(operation: str) -> None:
    assert not sent_request(operation)["retries"].respect_retry_after_header
