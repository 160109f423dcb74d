"""The backend API on the deployed stack: orders, customers and payments, signed with IAM."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import new_backend
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import Stack
from tests.e2e.conftest import MAX_RESPONSE_SECONDS

ROUTES = [
    ("PUT", f"/orders/{GAMING_SITE}/82882345534"),
    ("GET", f"/orders/{GAMING_SITE}/82882345534"),
    ("PUT", f"/customers/{GAMING_SITE}/customer-1"),
    ("GET", f"/customers/{GAMING_SITE}/customer-1"),
    ("GET", f"/payments/{GAMING_SITE}/423836181548"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_backend_api_without_iam_signature_returns_403(stack: Stack, method: str, path: str) -> None:
    response = urllib3.request(method, f"{stack.backend_url}{path}", body=b"{}", retries=False)
    assert response.status == 403


def test_order_put_twice_stored_once_and_returned(backend: BackendClient) -> None:
    path = f"/orders/{GAMING_SITE}/70000000001"
    content = {"order_type": "up-to", "order_amount": "300.00", "expires_at": "2030-01-31T23:59:59-06:00"}

    first, second = backend.put(path, content), backend.put(path, content)

    assert (first.status, second.status) == (200, 200)
    assert first.content == second.content == backend.get(path).content
    assert first.content["order_amount"] == "300.00"
    assert backend.put(path, {}).content["order_type"] == "any"
    assert backend.get(f"/orders/{GAMING_SITE}/70000000002").status == 404


@pytest.mark.parametrize("customer", ["customer-1", "user@example.com", "Zoë 2+2"])
def test_customer_put_fields_returned_by_get(backend: BackendClient, customer: str) -> None:
    path = f"/customers/{GAMING_SITE}/{quote(customer)}"

    put_response = backend.put(
        path, {"status": "suspended", "suspended_reason": "check", "self_imposed_day_limit": "50.00"}
    )
    get_response = backend.get(path)

    assert put_response.status == get_response.status == 200
    assert get_response.content == put_response.content
    assert get_response.content["site_customer_identifier"] == customer
    assert (get_response.content["status"], get_response.content["self_imposed_day_limit"]) == ("suspended", "50.00")
    assert get_response.content["balance"] == "0.00"


def test_payment_get_returns_decision_outcome_and_reversals(
    sender: CallbackSender, backend: BackendClient, authorization: Parameters
) -> None:
    site, identifier = authorization["site_identifier"], authorization["pnm_payment_identifier"]
    message = {**authorization, "site_customer_identifier": "get-payment"}
    confirmation = build_confirmation(message)
    assert sender.deliver("authorize", message, "json").accepted
    assert sender.deliver("confirm", confirmation, "json").accepted
    reversal = build_reversal(confirmation, reverse_type="Chargeback", reverse_code=None)
    assert sender.deliver("reverse", reversal, "json").accepted

    payment_response = backend.get(f"/payments/{site}/{identifier}")
    customer = backend.get(f"/customers/{site}/get-payment")

    assert payment_response.status == customer.status == 200
    payment = payment_response.content
    assert (payment["decision"], payment["reason"], payment["outcome"]) == ("accept", "accepted", "payment")
    assert payment["confirmed_amount"] == message["payment_amount"]
    assert payment["posted_amount"] == payment["debited_amount"] == message["net_payment_amount"]
    assert [reversal["kind"] for reversal in payment["reversals"]] == ["chargeback"]
    assert customer.content["balance"] == "0.00"
    assert customer.content["chargebacks"]["count"] == 1
    assert customer.content["spending"]["day"]["spent"] == message["payment_amount"]


@pytest.mark.parametrize(
    ("path", "content", "parameter"),
    [
        (f"/orders/{GAMING_SITE}/1", {"order_type": "exact"}, "order_amount"),
        (f"/orders/{GAMING_SITE}/1", {"amount": "1.00"}, "amount"),
        ("/orders/S9999999999/1", {}, "site_identifier"),
        (f"/customers/{GAMING_SITE}/a", {"self_imposed_day_limit": 50.555}, "self_imposed_day_limit"),
        (f"/customers/{GAMING_SITE}/a", {"status": "gone"}, "status"),
    ],
)
def test_put_invalid_parameter_returns_400_with_its_name(
    backend: BackendClient, path: str, content: dict[str, object], parameter: str
) -> None:
    response = backend.put(path, content)
    assert response.status == 400
    assert [error["parameter"] for error in response.content["errors"]] == [parameter]


@pytest.mark.parametrize("fault", [{"mode": "hang"}], ids=str)
def test_backend_api_dynamodb_down_returns_503_in_time(
    stack: Stack, backend: BackendClient, faults: ControlClient, fault: dict[str, Any]
) -> None:
    long_timeout_client = new_backend(stack, timeout=120)

    def call(route: tuple[str, str]) -> Response:
        method, path = route
        return backend.put(path, {}) if method == "PUT" else backend.get(path)

    with ThreadPoolExecutor(len(ROUTES)) as threads:
        # Both requests of a route's function wait at the same time, so that each gets its own warm process.
        faults.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
        list(threads.map(long_timeout_client.get, (path for _, path in ROUTES)))
        faults.post("fault", {"service": "dynamodb", **fault})
        responses = dict(zip(ROUTES, threads.map(call, ROUTES), strict=True))

    for route, response in responses.items():
        assert response.status == 503, route
        assert response.seconds < MAX_RESPONSE_SECONDS, route
