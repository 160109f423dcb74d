"""Retries of the client: after failures without effect, and for orders and payments only after a failed connection."""

from typing import Any

import pytest
from urllib3.exceptions import SSLError

from paynearme.errors import (
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from tests.support.api_driver import BROKEN_CONNECTION, CONNECT_TIMEOUT, CONNECTION_REFUSED, READ_TIMEOUT
from tests.support.client_stubs import RESPONSES, call, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_stub import PayNearMeStub, Reply, http_response

pytestmark = pytest.mark.usefixtures("no_backoff")

REPEATABLE, SINGLE = ["get_smart_token", "find_payment_methods"], ["create_order", "make_payment"]


def attempts_and_error(operation: str, *replies: Reply) -> tuple[int, type[ServiceError]]:
    """Return the number of attempts and the error of a call behind urllib3. The last reply repeats."""
    stub = PayNearMeStub(*replies)
    with pytest.raises(ServiceError) as exc_info:
        call(new_client(stub.behind_urllib3()), operation, resolved_site(), Clock().deadline(6.5))
    return len(stub.requests), type(exc_info.value)


def requested_options(operation: str, seconds: float) -> dict[str, Any]:
    stub = PayNearMeStub(http_response(200, RESPONSES[operation]))
    call(new_client(stub), operation, resolved_site(), Clock().deadline(seconds))
    [request] = stub.requests
    return request


@pytest.mark.parametrize("operation", REPEATABLE)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (http_response(429, b""), RequestNotAcceptedError),
        *((http_response(status, b""), UpstreamError) for status in (500, 502, 503, 504)),
        (READ_TIMEOUT, UpstreamTimeoutError),
        (BROKEN_CONNECTION, UpstreamError),
    ],
)
def test_retries_failure_three_attempts(operation: str, reply: Reply, kind: type[ServiceError]) -> None:
    assert attempts_and_error(operation, reply) == (3, kind)


@pytest.mark.parametrize("operation", REPEATABLE)
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 422, 501])
def test_retries_final_status_one_attempt(operation: str, status: int) -> None:
    attempts, _ = attempts_and_error(operation, http_response(status, b"", Location="/json-api/y"))
    assert attempts == 1


@pytest.mark.parametrize("operation", RESPONSES)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [(CONNECT_TIMEOUT, UpstreamConnectTimeoutError), (CONNECTION_REFUSED, RequestNotAcceptedError)],
    ids=["connect timeout", "refused"],
)
def test_retries_no_connection_three_attempts(operation: str, reply: Reply, kind: type[ServiceError]) -> None:
    assert attempts_and_error(operation, reply) == (3, kind)


def test_retries_unreachable_after_lost_response_upstream_error() -> None:
    # PayNearMe can have received the first attempt.
    assert attempts_and_error("get_smart_token", BROKEN_CONNECTION, CONNECTION_REFUSED) == (3, UpstreamError)


@pytest.mark.parametrize("operation", SINGLE)
@pytest.mark.parametrize(
    "reply",
    [
        *(http_response(status, RESPONSES["make_payment"]) for status in (301, 404, 408, 500, 502, 504)),
        *(http_response(status, b"", **{"Retry-After": "0"}) for status in (413, 503)),
        *(READ_TIMEOUT, BROKEN_CONNECTION, SSLError("broken")),
    ],
)
def test_single_attempt_possibly_received_not_retried(operation: str, reply: Reply) -> None:
    attempts, kind = attempts_and_error(operation, reply, http_response(200, RESPONSES[operation]))
    assert attempts == 1
    assert operation == "create_order" or kind is PaymentOutcomeUnknownError


def test_single_attempt_status_429_not_retried() -> None:
    reply = http_response(429, b"", **{"Retry-After": "0"})
    assert [attempts_and_error(operation, reply) for operation in SINGLE] == [(1, RequestNotAcceptedError)] * 2


def test_lost_response_after_connect_retry_unknown() -> None:
    replies: list[Reply] = [CONNECT_TIMEOUT, BROKEN_CONNECTION, http_response(200, RESPONSES["make_payment"])]
    assert attempts_and_error("make_payment", *replies) == (2, PaymentOutcomeUnknownError)


@pytest.mark.parametrize("operation", REPEATABLE)
def test_retries_two_attempts_fit_into_deadline(operation: str) -> None:
    request = requested_options(operation, 7.0)
    assert request["timeout"].connect_timeout < request["timeout"].total
    assert 2 * request["timeout"].total + request["retries"].backoff_max <= 7.0
    # PayNearMe's wait can exceed the caller's time.
    assert not request["retries"].respect_retry_after_header


@pytest.mark.parametrize("operation", SINGLE)
def test_single_attempt_timeout_is_remaining_time(operation: str) -> None:
    assert requested_options(operation, 5.0)["timeout"].total == 5.0
