import json
from typing import Any

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import NOW, SITES, FakePayNearMeDriver, run_with_fake, signed
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
SITE = "S2411573363"
SECRET = SITES[SITE]["secret"]
SITE_KEY = "k-1"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param({**signed(PLAIN_REQUEST), "flow_debit": "true"}, 401, id="changed after signing"),
        pytest.param(signed(PLAIN_REQUEST, site_identifier="S0000000000"), 401, id="unknown site"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "2.0", NOW), 401, id="other version"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW - 301), 401, id="too old"),
        pytest.param(signed(PLAIN_REQUEST, site_order_identifier="1"), 200, id="two order identifiers"),
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier="00012345678"), 200, id="an unknown order"),
        pytest.param(signed(PLAIN_REQUEST, api_key_id="k-1"), 401, id="other key pair"),
        pytest.param([], 400, id="no object"),
    ],
)
def test_request_not_authentic_or_invalid_returns_error(message: object, status: int) -> None:
    response_status, content = run_with_fake(lambda fake: fake.send("get_smart_token", message))

    assert (response_status, content["status"]) == (status, "error")
    assert [list(error) for error in content["errors"]] == [["description"]]
    assert (content.get("response_code") in ("9400", "9404")) == (status == 200)


@pytest.mark.parametrize("transport", ["JSON", "form", "query"])
def test_request_signed_as_sent_is_authentic(transport: str) -> None:
    text = signed(PLAIN_REQUEST, flow_debit="true", payment_amount="500.00", api_key_id=SITE_KEY)
    native = json.dumps(text).replace('"true"', "true").replace('"500.00"', "500.00")

    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, str]:
        assert await fake.command("sites", {"sites": {**SITES, SITE: SITES[SITE] | {"api_key_id": SITE_KEY}}}) == 204
        options: dict[str, Any] = {"JSON": {"data": native}, "form": {"data": text}, "query": {"params": text}}
        method = "GET" if transport == "query" else "POST"
        async with fake.session.request(method, "/json-api/get_smart_token", **options[transport]) as response:
            return response.status, (await response.json())["status"]

    assert run_with_fake(scenario) == (200, "ok")
