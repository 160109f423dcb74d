import json
from typing import Any

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import NOW, SITES, FakePayNearMeDriver, run_with_fake, signed

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
SECRET = SITES["S2411573363"]["secret"]
CREATE_REQUEST = sample_messages.load("create_order")["guaranteed_ach"]


def send(body: object) -> tuple[int, Any]:
    """Return status and content of the response to a ``get_smart_token`` request."""
    return run_with_fake(lambda fake: fake.send("get_smart_token", body))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**signed(PLAIN_REQUEST), "flow_debit": "true"}, id="changed after signing"),
        pytest.param(signed(PLAIN_REQUEST, site_identifier="S0000000000"), id="unknown site"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "2.0", NOW), id="other version"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW - 301), id="too old"),
    ],
)
def test_request_not_authentic_rejected_with_401(message: dict[str, str]) -> None:
    status, content = send(message)

    assert (status, content["status"]) == (401, "error")
    assert [list(error) for error in content["errors"]] == [["description"]]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier=None), id="no order identifier"),
        pytest.param(signed(PLAIN_REQUEST, site_order_identifier="1"), id="two order identifiers"),
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier="00012345678"), id="an unknown order"),
    ],
)
def test_request_authentic_but_invalid_returns_response_code(message: dict[str, object]) -> None:
    status, content = send(message)

    assert (status, content["status"]) == (200, "error")
    assert content["response_code"] in ("9400", "9404")
    assert content["errors"]


def test_call_log_in_order_without_pii_tokens_and_signatures() -> None:
    guaranteed = signed(sample_messages.load("get_smart_token")["guaranteed_ach"], some_token="t0k3n")
    names = ("first_name", "last_name", "email", "phone", "street", "city", "postal_code", "year_of_birth")
    order = signed(CREATE_REQUEST, **{f"site_customer_{name}": f"private {name}" for name in names})

    async def scenario(fake: FakePayNearMeDriver) -> Any:
        await fake.send("get_smart_token", guaranteed)
        await fake.send("create_order", order, {"Authorization": "Bearer b34r3r"})
        await fake.send("make_payment", b"not JSON")
        return await fake.get("calls")

    calls = run_with_fake(scenario)

    first, second, third = calls
    assert (first["number"], first["operation"]) == (1, "get_smart_token")
    assert (first["time"], first["authentication"]) == ("2027-01-15T08:00:00+00:00", "hmac")
    assert first["parameters"].keys() == guaranteed.keys()
    assert first["parameters"]["pnm_order_identifier"] == "82882345534"
    assert (second["operation"], second["authentication"]) == ("create_order", "oauth")
    assert second["parameters"].keys() == order.keys()
    assert second["parameters"]["site_customer_state"] == "NY"
    assert (third["number"], third["operation"], third["parameters"]) == (3, "make_payment", {})
    text = json.dumps(calls)
    redacted = ("1982-12-21", "123456677", guaranteed["signature"], "t0k3n", "private", "b34r3r")
    assert not [secret for secret in redacted if secret in text]
