"""The throttling limit of one route, on a separate API stage, so that other tests are not throttled."""

import uuid
from collections.abc import Iterator

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.stack.stack import Stack
from tests.e2e.conftest import CLIENT_TIMEOUT_SECONDS

BURST_LIMIT = 2


@pytest.fixture
def throttled_backend(stack: Stack) -> Iterator[BackendClient]:
    """Yield a client of a stage that accepts two requests for Smart Tokens, and then almost none."""
    client, api = stack.client("apigateway"), stack.backend_url.split("/restapis/")[1].split("/")[0]
    (current_stage,) = client.get_stages(restApiId=api)["item"]
    stage_key = {"restApiId": api, "stageName": f"throttled-{uuid.uuid4().hex}"}
    client.create_stage(**stage_key, deploymentId=current_stage["deploymentId"])
    limits = {"burstLimit": str(BURST_LIMIT), "rateLimit": "0.001"}
    client.update_stage(
        **stage_key,
        patchOperations=[
            {"op": "replace", "path": f"/~1smart-tokens/POST/throttling/{limit}", "value": value}
            for limit, value in limits.items()
        ],
    )
    url = stack.backend_url.replace(f"/{current_stage['stageName']}/", f"/{stage_key['stageName']}/")
    # The user of the backend may call only the deployed stage. The root user may call any stage.
    yield BackendClient(url, stack.region, "test", "test", timeout=CLIENT_TIMEOUT_SECONDS)
    client.delete_stage(**stage_key)


def test_throttled_route_over_burst_returns_429_others_respond(throttled_backend: BackendClient) -> None:
    statuses = [throttled_backend.post("/smart-tokens", {}).status for _ in range(BURST_LIMIT + 2)]

    assert statuses == [400] * BURST_LIMIT + [429] * 2
    assert throttled_backend.post("/orders", {}).status == 400
