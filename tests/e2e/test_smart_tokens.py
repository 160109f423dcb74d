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


def test_a_call_without_an_iam_signature_is_refused(stack: Stack) -> None:
    response = PoolManager(retries=False).request("POST", f"{stack.backend_url}/smart-tokens", json=REQUEST)

    assert response.status == 403


def test_a_call_with_a_wrong_iam_secret_is_refused(stack: Stack) -> None:
    unauthorized_backend = BackendClient(stack.backend_url, stack.region, stack.access_key_id, "not-the-secret")

    assert unauthorized_backend.post("/smart-tokens", REQUEST).status == 403


def test_the_backends_user_may_call_the_backend_api_and_nothing_else(stack: Stack) -> None:
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
def test_what_the_caller_got_wrong_is_named(
    backend: BackendClient, changes: Mapping[str, Any], names: set[str]
) -> None:
    response = backend.post("/smart-tokens", {**REQUEST, **changes})

    assert response.status == 400
    assert response.content_type.startswith("application/problem+json")
    assert names <= {error["parameter"] for error in response.content["errors"]}


def test_a_body_that_is_no_json_is_a_bad_request(backend: BackendClient) -> None:
    assert backend.post_text("/smart-tokens", b"{").status == 400


def test_an_order_that_paynearme_does_not_know_is_refused_with_its_words(
    backend: BackendClient, paynearme: ControlClient
) -> None:
    response = backend.post("/smart-tokens", {"pnm_order_identifier": "00012345678"})

    assert response.status == 422
    assert response.content["response_code"]
    assert response.content["errors"][0]["description"]
    assert len(paynearme.get("calls")) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"mode": "status", "status": 429},
        {"mode": "status", "status": 503},
        {"mode": "abort"},
        {"mode": "hang"},
    ],
    ids=str,
)
def test_what_passes_is_tried_again_and_the_caller_does_not_notice(
    backend: BackendClient, paynearme: ControlClient, behaviour: Mapping[str, Any]
) -> None:
    paynearme.post("behaviour", {**behaviour, "times": 2})

    response = backend.post("/smart-tokens", REQUEST)

    assert response.status == 200
    assert len(paynearme.get("calls")) == 3
    assert response.seconds < MAX_RESPONSE_SECONDS
