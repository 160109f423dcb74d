"""``POST /smart-tokens`` on the deployed stack, with successful and failing responses of PayNearMe."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from urllib3 import PoolManager

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.stack.stack import Stack, client_of
from tests.e2e.conftest import MAX_RESPONSE_SECONDS

REQUEST = {"pnm_order_identifier": "84488215678", "flow_debit": True, "payment_amount": "25.00"}


def test_smart_token_without_iam_signature_returns_403(stack: Stack) -> None:
    response = PoolManager(retries=False).request("POST", f"{stack.backend_url}/smart-tokens", json=REQUEST)

    assert response.status == 403


def test_smart_token_wrong_iam_secret_returns_403(stack: Stack) -> None:
    unauthorized_backend = BackendClient(stack.backend_url, stack.region, stack.access_key_id, "not-the-secret")

    assert unauthorized_backend.post("/smart-tokens", REQUEST).status == 403


def test_backend_user_has_no_dynamodb_permission(stack: Stack) -> None:
    client = client_of(
        "dynamodb",
        stack.endpoint_url,
        aws_access_key_id=stack.access_key_id,
        aws_secret_access_key=stack.secret_access_key,
    )

    with pytest.raises(ClientError, match="AccessDenied"):
        client.describe_table(TableName=stack.table_name)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"site_order_identifier": "1"}, {"pnm_order_identifier", "site_order_identifier"}),
        ({"flow_teleport": True}, {"flow_teleport"}),
        ({"flow_pay_url": "javascript://x/%0aalert(1)"}, {"flow_pay_url"}),
        ({"flow_trustly": True}, {"ext_customer_tax_id_pii", "flow_bank_oauth_redirect_url"}),
        ({"site_identifier": "S0000000000"}, {"site_identifier"}),
        ({"payment_amount": None, "payment_field_fixed": True}, {"payment_amount"}),
    ],
)
def test_smart_token_invalid_parameters_named_in_400_response(
    backend: BackendClient, changes: Mapping[str, Any], names: set[str]
) -> None:
    response = backend.post("/smart-tokens", {**REQUEST, **changes})

    assert response.status == 400
    assert response.content_type.startswith("application/problem+json")
    assert names <= {error["parameter"] for error in response.content["errors"]}


def test_smart_token_malformed_json_returns_400(backend: BackendClient) -> None:
    assert backend.post_text("/smart-tokens", b"{").status == 400


def test_smart_token_unknown_order_returns_paynearme_error(backend: BackendClient, paynearme: ControlClient) -> None:
    response = backend.post("/smart-tokens", {"pnm_order_identifier": "00012345678"})

    assert response.status == 422
    assert response.content["response_code"]
    assert response.content["errors"][0]["description"]
    assert len(paynearme.get("calls")) == 1


@pytest.mark.parametrize(
    "behaviour",
    [{"mode": "status", "status": 429}, {"mode": "status", "status": 503}, {"mode": "abort"}, {"mode": "hang"}],
    ids=str,
)
def test_smart_token_upstream_error_retried_transparently(
    backend: BackendClient, paynearme: ControlClient, behaviour: Mapping[str, Any]
) -> None:
    paynearme.post("behaviour", {**behaviour, "times": 2})

    response = backend.post("/smart-tokens", REQUEST)

    assert response.status == 200
    assert len(paynearme.get("calls")) == 3
    assert response.seconds < MAX_RESPONSE_SECONDS
