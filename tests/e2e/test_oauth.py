"""Requests to PayNearMe with OAuth 2.0, on the deployed stack: access tokens are shared and rarely requested."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.stack.sites import OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support.function_processes import publish
from tests.support.openapi_assertions import assert_documented
from tests.support.payment_driver import (
    OAUTH_SITES,
    PATHS,
    UNKNOWN_METHOD,
    clear_tokens,
    new_customer_with_method,
    new_key,
    order_request,
)

ORDER = "84488215678"
CUSTOMER = "oauth"
NEW_PROCESSES = 50


def retryable_calls(backend: BackendClient, site: str) -> list[Callable[[], Response]]:
    """Return one call of each outbound function except ``make_payment``, which is not retried."""
    contents = {
        "create_order": order_request(site, CUSTOMER),
        "get_smart_token": {"site_identifier": site, "pnm_order_identifier": ORDER},
        "find_payment_methods": {"site_identifier": site, "site_customer_identifier": CUSTOMER},
    }

    def call(operation: str) -> Response:
        response = backend.post(PATHS[operation], contents[operation])
        return assert_documented(PATHS[operation], "POST", response)

    return [partial(call, operation) for operation in contents]


def token_calls(paynearme: ControlClient) -> int:
    count: int = paynearme.get("access-token-requests")["count"]
    return count


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("site", OAUTH_SITES)
def test_oauth_all_operations_use_stored_access_token(
    backend: BackendClient, paynearme: ControlClient, site: str
) -> None:
    initial_count = token_calls(paynearme)
    customer = new_customer_with_method(backend, paynearme, site)

    responses = [call() for call in retryable_calls(backend, site)]
    payment_response = customer.pay(new_key())

    assert [response.status for response in (*responses, payment_response)] == [200] * 4
    assert {call["authentication"] for call in paynearme.get("calls")} == {"oauth"}
    assert paynearme.post("settled")[0]["state"] == "confirmed"
    assert token_calls(paynearme) == initial_count


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("command", ["revoke", "expire"])
def test_revoked_access_token_replaced_once_transparently(
    backend: BackendClient, paynearme: ControlClient, command: str
) -> None:
    initial_count = token_calls(paynearme)
    paynearme.post("access-tokens", {command: True})

    responses = [call() for call in retryable_calls(backend, OAUTH_SITE) * 2]

    assert [response.status for response in responses] == [200] * 6
    assert token_calls(paynearme) == initial_count + 1


@pytest.mark.full
def test_cold_start_burst_sends_no_token_request_without_lease(
    stack: Stack, backend: BackendClient, paynearme: ControlClient
) -> None:
    content = {**load("make_payment")["saved"], "payment_method_identifier": UNKNOWN_METHOD}

    def submit(site: str) -> int:
        return backend.post("/payments", {**content, "site_identifier": site}, new_key()).status

    # Another process has the lease and never stores a token.
    clear_tokens(stack, paynearme)
    lease = {"pk": {"S": f"ACCESS_TOKEN#{OAUTH_SITE}"}, "sk": {"S": "LEASE"}, "lease_expires_at": {"N": "4000000000"}}
    stack.client("dynamodb").put_item(TableName=stack.table_name, Item=lease)
    publish(stack, "MakePayment")

    with ThreadPoolExecutor(NEW_PROCESSES) as threads:
        statuses = set(threads.map(submit, [OAUTH_SITE] * NEW_PROCESSES))

    assert statuses <= {503, 504}
    assert token_calls(paynearme) == 0
    # Without the lease, one process requests the token for all. PayNearMe rejects the unknown payment method.
    clear_tokens(stack, paynearme)
    assert [submit(OAUTH_SITE) for _ in range(2)] == [422, 422]
    assert token_calls(paynearme) == 1
