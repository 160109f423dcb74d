"""The limit of one route, on a stage of its own beside the deployed one: no other test meets it."""

import uuid
from collections.abc import Iterator

import pytest

from local.backend import Backend
from local.stack import Stack
from tests.template import APIS

ADMITTED = 2
COLD_SECONDS = 60
"""For how long a busy machine may start a process that nobody needed before."""

LIMITED = ("/~1tokens", "POST")
"""A route as the template spells it: CloudFormation hands the limits of a stage on in these words."""


@pytest.fixture
def throttled(stack: Stack) -> Iterator[Backend]:
    """Call the backend API on a stage that admits two requests for tokens, and then nearly none."""
    client, api = stack.client("apigateway"), stack.backend_url.split("/restapis/")[1].split("/")[0]
    (deployed,) = client.get_stages(restApiId=api)["item"]
    stage = {"restApiId": api, "stageName": f"throttled-{uuid.uuid4().hex}"}
    client.create_stage(**stage, deploymentId=deployed["deploymentId"])
    limits = {"burstLimit": str(ADMITTED), "rateLimit": "0.001"}
    path, method = LIMITED
    client.update_stage(
        **stage,
        patchOperations=[
            {"op": "replace", "path": f"{path}/{method}/throttling/{limit}", "value": value}
            for limit, value in limits.items()
        ],
    )
    url = stack.backend_url.replace(f"/{deployed['stageName']}/", f"/{stage['stageName']}/")
    # The account's root may call any stage; the backend's own user may call the deployed one.
    yield Backend(url, stack.region, "test", "test", patience=COLD_SECONDS)
    client.delete_stage(**stage)


def test_a_route_over_its_limit_refuses_and_the_others_still_answer(throttled: Backend) -> None:
    statuses = [throttled.post("/smart-tokens", {}).status for _ in range(ADMITTED + 2)]

    assert statuses == [400] * ADMITTED + [429] * 2
    assert throttled.post("/orders", {}).status == 400


def test_the_template_limits_the_route_in_the_words_that_were_tried_here() -> None:
    settings = APIS["BackendApi"]["MethodSettings"]
    assert LIMITED in [(setting["ResourcePath"], setting["HttpMethod"]) for setting in settings]
