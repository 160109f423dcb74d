import json

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import NOW, PAYMENT, SITES, FakePayNearMeDriver, run_with_fake, signed

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
SECRET = SITES["S2411573363"]["secret"]
CREATE_REQUEST = sample_messages.load("create_order")["guaranteed_ach"]


def send_all(*bodies: object) -> list[tuple[int, dict[str, object]]]:
    """Return status and content of the responses to ``get_smart_token`` requests."""

    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, dict[str, object]]]:
        return [await fake.send("get_smart_token", body) for body in bodies]

    return run_with_fake(scenario)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**signed(PLAIN_REQUEST), "signature": "0" * 64}, id="wrong signature"),
        pytest.param({k: v for k, v in signed(PLAIN_REQUEST).items() if k != "signature"}, id="no signature"),
        pytest.param({**signed(PLAIN_REQUEST), "flow_debit": "true"}, id="changed after signing"),
        pytest.param(signed(PLAIN_REQUEST, site_identifier="S0000000000"), id="unknown site"),
        pytest.param(signed(PLAIN_REQUEST, site_identifier=None), id="no site"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "2.0", NOW), id="other version"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW - 301), id="too old"),
        pytest.param(messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW + 301), id="too early"),
        pytest.param({**signed(PLAIN_REQUEST), "timestamp": "now"}, id="malformed timestamp"),
    ],
)
def test_what_is_not_authentic_is_refused_with_401(message: dict[str, str]) -> None:
    [(status, content)] = send_all(message)

    assert status == 401
    assert content["status"] == "error"
    assert isinstance(content["errors"], list)
    assert list(content["errors"][0]) == ["description"]


@pytest.mark.parametrize("header", ["Bearer a", "Basic YTpi", ""])
def test_a_site_that_signs_its_calls_sends_no_authorization(header: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, object]:
        return await fake.send("get_smart_token", signed(PLAIN_REQUEST), {"Authorization": header})

    assert run_with_fake(scenario)[0] == 401


def test_a_timestamp_may_be_five_minutes_off() -> None:
    responses = send_all(*[messages.signed(PLAIN_REQUEST, SECRET, "3.0", NOW + seconds) for seconds in (-300, 300)])

    assert [status for status, _ in responses] == [200, 200]


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused_with_400(body: bytes) -> None:
    assert [status for status, _ in send_all(body)] == [400]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**signed(PLAIN_REQUEST), "flow_debit": True}, id="a value that is not text"),
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier=None), id="no order identifier"),
        pytest.param(signed(PLAIN_REQUEST, site_order_identifier="1"), id="two order identifiers"),
        pytest.param(signed(PLAIN_REQUEST, pnm_order_identifier="00012345678"), id="an unknown order"),
    ],
)
def test_an_authentic_call_that_cannot_be_done_is_an_error_with_a_response_code(message: dict[str, object]) -> None:
    [(status, content)] = send_all(message)

    assert (status, content["status"]) == (200, "error")
    assert content["response_code"] in ("9400", "9404")
    assert content["errors"]


def test_another_operation_is_unknown() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, object]:
        return await fake.send("no_such_operation", {})

    assert run_with_fake(scenario)[0] == 404


def test_the_known_sites_can_be_replaced() -> None:
    other_sites = {"sites": {"S2411573363": {"version": "3.0", "secret": "another"}}}

    async def scenario(fake: FakePayNearMeDriver) -> list[object]:
        return [
            await fake.command("sites", other_sites),
            (await fake.send("get_smart_token", signed(PLAIN_REQUEST)))[0],
            (await fake.send("get_smart_token", messages.signed(PLAIN_REQUEST, "another", timestamp=NOW)))[0],
            await fake.command("sites", {"sites": {"S1": {}}}),
            await fake.command("sites", []),
        ]

    assert run_with_fake(scenario) == [204, 401, 200, 400, 400]


def test_the_calls_are_told_in_order_without_personal_data_tokens_and_signatures() -> None:
    guaranteed = signed(sample_messages.load("get_smart_token")["guaranteed_ach"], some_token="t0k3n")
    names = ("first_name", "last_name", "email", "phone", "street", "city", "postal_code", "year_of_birth")
    order = signed(CREATE_REQUEST, **{f"site_customer_{name}": f"private {name}" for name in names})

    async def scenario(fake: FakePayNearMeDriver) -> tuple[object, object]:
        await fake.send("get_smart_token", guaranteed)
        await fake.send("create_order", order, {"Authorization": "Bearer b34r3r"})
        await fake.send("make_payment", b"not JSON")
        calls = await fake.get("calls")
        await fake.command("reset")
        return calls, await fake.get("calls")

    calls, after_reset = run_with_fake(scenario)

    assert isinstance(calls, list)
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
    assert after_reset == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("behaviour", {"mode": "unknown-mode"}),
        ("behaviour", {"status": "many"}),
        ("callbacks", {"url": "no-url"}),
        ("callbacks", {"url": None, "more": 1}),
        ("access-tokens", {"seconds": 0}),
        ("methods", {"site_identifier": "S1"}),
        ("expire", {}),
        ("confirm", []),
        ("consumer", {"secure_smart_token": 7}),
    ],
)
def test_a_command_that_is_not_as_described_is_refused_in_fixed_words(path: str, body: object) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, str]:
        async with fake.session.post(f"/control/{path}", json=body) as response:
            return response.status, await response.text()

    status, text = run_with_fake(scenario)

    assert status == 400
    assert not [value for value in ("unknown-mode", "many", "no-url", "S1") if value in text]


def test_what_was_entered_is_forgotten_after_a_reset() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[object]:
        order = await fake.call("create_order", {**CREATE_REQUEST, "site_identifier": PAYMENT["site_identifier"]})
        await fake.command("reset")
        link = {"secure_smart_token": order["order"]["secure_smart_token"]}
        customer = {"site_identifier": PAYMENT["site_identifier"], "site_customer_identifier": "575530001"}
        methods = await fake.call("find_payment_methods", customer)
        return [methods["response_code"], (await fake.command("consumer", link))["errors"]]

    code, errors = run_with_fake(scenario)

    assert code == "9405"
    assert errors
