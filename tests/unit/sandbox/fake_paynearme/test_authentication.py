import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import NOW, SITES, run_with_fake, signed
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
SECRET = SITES["S2411573363"]["secret"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param({**signed(PLAIN_REQUEST), "flow_debit": "true"}, 401, id="changed after signing"),
        pytest.param(signed(PLAIN_REQUEST, site_identifier="S0000000000"), 401, id="unknown site"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "2.0", NOW), 401, id="other version"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW - 301), 401, id="too old"),
        pytest.param(signed(PLAIN_REQUEST, site_order_identifier="1"), 200, id="two order identifiers"),
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier="00012345678"), 200, id="an unknown order"),
        pytest.param([], 400, id="no object"),
    ],
)
def test_request_not_authentic_or_invalid_returns_error(message: object, status: int) -> None:
    response_status, content = run_with_fake(lambda fake: fake.send("get_smart_token", message))

    assert (response_status, content["status"]) == (status, "error")
    assert [list(error) for error in content["errors"]] == [["description"]]
    assert (content.get("response_code") in ("9400", "9404")) == (status == 200)
