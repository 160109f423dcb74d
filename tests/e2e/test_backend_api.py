"""The backend API on the deployed stack: one journey for each route, signed with IAM."""

from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from botocore.exceptions import ClientError

from sandbox.clients.backend_client import BackendClient
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import Stack, client_of
from tests.support.payment_driver import PATHS

ROUTES = [
    ("PUT", f"/orders/{GAMING_SITE}/82882345534"),
    ("GET", f"/orders/{GAMING_SITE}/82882345534"),
    ("PUT", f"/customers/{GAMING_SITE}/customer-1"),
    ("GET", f"/customers/{GAMING_SITE}/customer-1"),
    ("GET", f"/payments/{GAMING_SITE}/423836181548"),
    *(("POST", path) for path in PATHS.values()),
]


def test_backend_api_without_valid_iam_signature_returns_403(stack: Stack) -> None:
    for method, path in ROUTES:
        response = urllib3.request(method, f"{stack.backend_url}{path}", body=b"{}", retries=False)
        assert response.status == 403, path
    other_backend = BackendClient(stack.backend_url, stack.region, stack.access_key_id, "not-the-secret")
    assert other_backend.post("/smart-tokens", {}).status == 403


def test_backend_user_has_no_dynamodb_permission(stack: Stack) -> None:
    client = client_of(
        "dynamodb",
        stack.endpoint_url,
        aws_access_key_id=stack.access_key_id,
        aws_secret_access_key=stack.secret_access_key,
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.describe_table(TableName=stack.table_name)


def test_order_put_twice_stored_once_and_returned(backend: BackendClient) -> None:
    path = f"/orders/{GAMING_SITE}/70000000001"
    content = {"order_type": "up-to", "order_amount": "300.00", "expires_at": "2030-01-31T23:59:59-06:00"}

    first, second = backend.put(path, content), backend.put(path, content)

    assert (first.status, second.status) == (200, 200)
    assert first.content == second.content == backend.get(path).content
    assert first.content["order_amount"] == "300.00"
    assert backend.get(f"/orders/{GAMING_SITE}/70000000002").status == 404


@pytest.mark.parametrize("customer", ["user@example.com", "Zoë 2+2"])
def test_customer_put_fields_returned_by_get(backend: BackendClient, customer: str) -> None:
    path = f"/customers/{GAMING_SITE}/{quote(customer)}"
    content = {"status": "suspended", "suspended_reason": "check", "self_imposed_day_limit": "50.00"}

    put_response, get_response = backend.put(path, content), backend.get(path)

    assert put_response.status == get_response.status == 200
    assert get_response.content == put_response.content
    assert get_response.content["site_customer_identifier"] == customer
    assert get_response.content | content == get_response.content


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
    assert payment["posted_amount"] == payment["debited_amount"] == message["net_payment_amount"]
    assert [reversal["kind"] for reversal in payment["reversals"]] == ["chargeback"]
    assert customer.content["balance"] == "0.00"
    assert customer.content["chargebacks"]["count"] == 1
    assert customer.content["spending"]["day"]["spent"] == message["payment_amount"]


@pytest.mark.parametrize(
    ("method", "path", "content", "parameter"),
    [
        ("PUT", f"/orders/{GAMING_SITE}/1", {"order_type": "exact"}, "order_amount"),
        ("PUT", f"/customers/{GAMING_SITE}/a", {"status": "marker-value"}, "status"),
        ("POST", "/smart-tokens", {"pnm_order_identifier": "1", "flow_pay_url": "javascript:marker"}, "flow_pay_url"),
        ("POST", "/orders", {"order_amount": "marker"}, "order_amount"),
    ],
)
def test_backend_api_invalid_parameter_returns_400_with_its_name(
    backend: BackendClient, method: str, path: str, content: dict[str, Any], parameter: str
) -> None:
    response = backend.put(path, content) if method == "PUT" else backend.post(path, content)

    assert response.status == 400
    assert response.content_type.startswith("application/problem+json")
    assert parameter in [error["parameter"] for error in response.content["errors"]]
    assert "marker" not in str(response.content)
