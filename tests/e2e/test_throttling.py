"""The limit of one route, on a stage of its own beside the deployed one: no other test meets it."""

import uuid
from collections.abc import Iterator

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.stack.stack import Stack
from tests.support.template import APIS

BURST_LIMIT = 2
START_TIMEOUT_SECONDS = 60
"""For how long a busy machine may start a process that nobody needed before."""

THROTTLED_ROUTE = ("/~1smart-tokens", "POST")
"""A route as the template spells it: CloudFormation hands the limits of a stage on in these words."""


@pytest.fixture
def throttled_backend(stack: Stack) -> Iterator[BackendClient]:
    """Call the backend API on a stage that admits two requests for tokens, and then nearly none."""
    client, api = stack.client("apigateway"), stack.backend_url.split("/restapis/")[1].split("/")[0]
    (current_stage,) = client.get_stages(restApiId=api)["item"]
    stage_key = {"restApiId": api, "stageName": f"throttled-{uuid.uuid4().hex}"}
    client.create_stage(**stage_key, deploymentId=current_stage["deploymentId"])
    limits = {"burstLimit": str(BURST_LIMIT), "rateLimit": "0.001"}
    path, method = THROTTLED_ROUTE
    client.update_stage(
        **stage_key,
        patchOperations=[
            {"op": "replace", "path": f"{path}/{method}/throttling/{limit}", "value": value}
            for limit, value in limits.items()
        ],
    )
    url = stack.backend_url.replace(f"/{current_stage['stageName']}/", f"/{stage_key['stageName']}/")
    # The account's root may call any stage; the backend's own user may call the deployed one.
    yield BackendClient(url, stack.region, "test", "test", timeout=START_TIMEOUT_SECONDS)
    client.delete_stage(**stage_key)


def test_a_route_over_its_limit_refuses_and_the_others_still_answer(throttled_backend: BackendClient) -> None:
    statuses = [throttled_backend.post("/smart-tokens", {}).status for _ in range(BURST_LIMIT + 2)]

    assert statuses == [400] * BURST_LIMIT + [429] * 2
    assert throttled_backend.post("/orders", {}).status == 400


def test_the_template_limits_the_route_in_the_words_that_were_tried_here() -> None:
    settings = APIS["BackendApi"]["MethodSettings"]
    assert THROTTLED_ROUTE in [(setting["ResourcePath"], setting["HttpMethod"]) for setting in settings]
