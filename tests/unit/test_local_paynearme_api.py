import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import ClientSession

from local import events, paynearme_api
from local.sites import VERSION_2_SITE, new_sites, read_sites
from paynearme.messages import SmartTokenAnswer
from tests.unit.listening import listening

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

NOW = 1800000000
SITES = new_sites()["sites"]
PLAIN = events.load("get_smart_token")["plain"]
GUARANTEED = events.load("get_smart_token")["guaranteed_ach"]
CALL = "/json-api/get_smart_token"


def signed(message: Mapping[str, str | bool], **changes: str | bool | None) -> dict[str, str]:
    identifier = str(changes.get("site_identifier") or message["site_identifier"])
    site = SITES.get(identifier, {"secret": "unknown", "version": "3.0"})
    return events.signed(message, site["secret"], site["version"], NOW, **changes)


def talking[T](talk: Callable[[ClientSession], Awaitable[T]]) -> T:
    """Let ``talk`` talk to a new PayNearMe, whose clock stands still."""

    async def scenario() -> T:
        runner = paynearme_api.runner(read_sites(SITES), clock=lambda: NOW)
        # So that a test whose subject hangs fails.
        async with asyncio.timeout(20), listening(runner) as url, ClientSession(url) as session:
            return await talk(session)

    return asyncio.run(scenario())


def told(*bodies: object) -> list[tuple[int, Any]]:
    """Return PayNearMe's answers to get_smart_token calls: status and content."""

    async def talk(session: ClientSession) -> list[tuple[int, Any]]:
        answers = []
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with session.post(CALL, data=data) as answer:
                answers.append((answer.status, await answer.json()))
        return answers

    return talking(talk)


def with_behaviour(behaviour: Mapping[str, object], calls: int = 1) -> list[object]:
    """Return what comes of calls after a change of behaviour: status and text, or the error's type."""

    async def talk(session: ClientSession) -> list[object]:
        async with session.post("/control/behaviour", json=behaviour) as answer:
            assert answer.status == 204
        results: list[object] = []
        for _ in range(calls):
            try:
                async with session.post(CALL, json=signed(PLAIN)) as answer:
                    results.append((answer.status, await answer.text()))
            except aiohttp.ClientError as error:
                results.append(type(error))
        return results

    return talking(talk)


@pytest.mark.parametrize("name", events.load("get_smart_token"))
def test_each_documented_request_is_answered_with_an_order_that_the_layer_reads(name: str) -> None:
    message = events.load("get_smart_token")[name]

    [(status, content)] = told(signed(message))

    assert status == 200
    [order] = SmartTokenAnswer.model_validate(content).orders
    assert order.pnm_order_identifier == message["pnm_order_identifier"]
    assert order.secure_smart_link.endswith(f"/ssl/{order.secure_smart_token}")


def test_the_answer_has_the_documented_one_s_fields_and_form() -> None:
    [documented] = events.load("get_smart_token_answer")["guaranteed_ach"]["orders"]

    [(_, content)] = told(signed(GUARANTEED))

    assert content.keys() == {"status", "orders"}
    [order] = content["orders"]
    assert list(order) == list(documented)
    assert order["type"] == documented["type"]
    token, documented_token = order["secure_smart_token"], documented["secure_smart_token"]
    assert len(token) == len(documented_token)
    assert re.fullmatch(r"[A-Za-z0-9!$]+=", token)
    ours, theirs = urlsplit(order["order_tracking_url"]), urlsplit(documented["order_tracking_url"])
    assert ours[:3] == theirs[:3]
    assert [name for name, _ in parse_qsl(ours.query)] == [name for name, _ in parse_qsl(theirs.query)]
    assert ours.query.split("&")[:3] == theirs.query.split("&")[:3]


def test_two_calls_give_the_same_order_and_two_tokens() -> None:
    [(_, first), (_, second)] = told(
        *[signed(PLAIN, pnm_order_identifier=None, site_customer_identifier="7")] * 2
    )

    [order], [again] = first["orders"], second["orders"]
    assert order["pnm_order_identifier"] == again["pnm_order_identifier"]
    assert order["secure_smart_token"] != again["secure_smart_token"]


def test_no_address_of_the_request_means_none_in_the_tracking_url() -> None:
    [(_, content)] = told(signed(PLAIN))

    assert content["orders"][0]["order_tracking_url"] == "https://www.paynearme-sandbox.com/84488215678"


def test_a_version_2_site_is_checked_by_its_own_version() -> None:
    assert [status for status, _ in told(signed(PLAIN, site_identifier=VERSION_2_SITE))] == [200]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**signed(PLAIN), "signature": "0" * 64}, id="wrong signature"),
        pytest.param({k: v for k, v in signed(PLAIN).items() if k != "signature"}, id="no signature"),
        pytest.param({**signed(PLAIN), "flow_debit": "true"}, id="changed after signing"),
        pytest.param(signed(PLAIN, site_identifier="S0000000000"), id="unknown site"),
        pytest.param(signed(PLAIN, site_identifier=None), id="no site"),
        pytest.param(events.signed(PLAIN, SITES["S2411573363"]["secret"], "2.0", NOW), id="other version"),
        pytest.param(events.signed(PLAIN, SITES["S2411573363"]["secret"], "3.0", NOW - 301), id="too old"),
        pytest.param(events.signed(PLAIN, SITES["S2411573363"]["secret"], "3.0", NOW + 301), id="too early"),
        pytest.param({**signed(PLAIN), "timestamp": "soon"}, id="no time"),
    ],
)
def test_what_is_not_authentic_is_refused_with_401(message: dict[str, str]) -> None:
    [(status, content)] = told(message)

    assert status == 401
    assert content["status"] == "error"
    assert list(content["errors"][0]) == ["description"]


def test_a_timestamp_may_be_five_minutes_off() -> None:
    secret = SITES["S2411573363"]["secret"]

    answers = told(*[events.signed(PLAIN, secret, "3.0", NOW + seconds) for seconds in (-300, 300)])

    assert [status for status, _ in answers] == [200, 200]


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused_with_400(body: bytes) -> None:
    assert [status for status, _ in told(body)] == [400]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**signed(PLAIN), "flow_debit": True}, id="a value that is no text"),
        pytest.param(signed(PLAIN, pnm_order_identifier=None), id="no order identifier"),
        pytest.param(signed(PLAIN, site_order_identifier="1"), id="two order identifiers"),
        pytest.param(signed(PLAIN, pnm_order_identifier="00012345678"), id="an unknown order"),
    ],
)
def test_an_authentic_call_that_cannot_be_done_is_an_error_with_a_response_code(
    message: dict[str, object],
) -> None:
    [(status, content)] = told(message)

    assert (status, content["status"]) == (200, "error")
    assert content["response_code"]
    assert content["errors"][0]["description"]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_it_fails_with_a_status_as_often_as_it_is_told(status: int) -> None:
    results = with_behaviour({"mode": "status", "status": status, "times": 2}, calls=3)

    assert [result[0] for result in results if isinstance(result, tuple)] == [status, status, 200]


def test_it_answers_with_a_page_when_told() -> None:
    [result] = with_behaviour({"mode": "html"})

    assert isinstance(result, tuple)
    assert result[0] == 200
    assert result[1].startswith("<!DOCTYPE html>")


def test_it_refuses_with_a_response_code_when_told() -> None:
    [result] = with_behaviour({"mode": "refuse", "response_code": "1234"})

    assert isinstance(result, tuple)
    assert json.loads(result[1])["response_code"] == "1234"


@pytest.mark.parametrize(
    ("mode", "error"), [("cut", aiohttp.ClientPayloadError), ("abort", aiohttp.ClientOSError)]
)
def test_it_breaks_the_connection_when_told(mode: str, error: type[Exception]) -> None:
    [result, after] = with_behaviour({"mode": mode, "times": 1}, calls=2)

    assert isinstance(result, type)
    assert issubclass(result, error)
    assert isinstance(after, tuple)


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_what_is_told_to_wait_waits_until_it_is_let_go(mode: str) -> None:
    async def talk(session: ClientSession) -> tuple[bool, object]:
        await session.post("/control/behaviour", json={"mode": mode, "seconds": 3600})
        waiting = asyncio.create_task(session.post(CALL, json=signed(PLAIN)))
        while not await (await session.get("/control/calls")).json():
            await asyncio.sleep(0)
        answered_before = waiting.done()
        await session.post("/control/reset")
        [result] = await asyncio.gather(waiting, return_exceptions=True)
        return answered_before, result

    answered_before, result = talking(talk)

    assert not answered_before
    if mode == "hang":
        assert isinstance(result, aiohttp.ClientError)
    else:
        assert isinstance(result, aiohttp.ClientResponse)
        assert result.status == 200


def test_it_is_slow_for_the_given_time_and_then_answers() -> None:
    [result] = with_behaviour({"mode": "slow", "seconds": 0})

    assert isinstance(result, tuple)
    assert result[0] == 200


def test_a_behaviour_that_does_not_exist_is_refused() -> None:
    async def talk(session: ClientSession) -> int:
        return (await session.post("/control/behaviour", json={"mode": "sulk"})).status

    assert talking(talk) == 400


def test_the_calls_are_told_in_order_without_personal_data_tokens_and_signatures() -> None:
    message = signed(GUARANTEED, some_token="t0k3n")

    async def talk(session: ClientSession) -> tuple[str, Any]:
        await session.post(CALL, json=message)
        await session.post("/json-api/make_payment", data=b"not JSON")
        text = await (await session.get("/control/calls")).text()
        await session.post("/control/reset")
        return text, await (await session.get("/control/calls")).json()

    text, after_reset = talking(talk)

    first, second = json.loads(text)
    assert (first["number"], first["operation"]) == (1, "get_smart_token")
    assert first["time"] == "2027-01-15T08:00:00+00:00"
    assert first["parameters"].keys() == message.keys()
    assert first["parameters"]["pnm_order_identifier"] == "82882345534"
    assert (second["number"], second["operation"], second["parameters"]) == (2, "make_payment", {})
    secrets = ("1982-12-21", "123456677", message["signature"], "t0k3n")
    assert not [secret for secret in secrets if secret in text]
    assert after_reset == []


def test_the_known_sites_can_be_replaced() -> None:
    other = {"sites": {"S2411573363": {"version": "3.0", "secret": "another"}}}

    async def talk(session: ClientSession) -> list[int]:
        return [
            (await session.post("/control/sites", json=other)).status,
            (await session.post(CALL, json=signed(PLAIN))).status,
            (await session.post(CALL, json=events.signed(PLAIN, "another", timestamp=NOW))).status,
            (await session.post("/control/sites", json={"sites": {"S1": {}}})).status,
            (await session.post("/control/sites", json=[])).status,
        ]

    assert talking(talk) == [204, 401, 200, 400, 400]


def test_another_operation_is_unknown() -> None:
    async def talk(session: ClientSession) -> int:
        return (await session.post("/json-api/no_such_operation", json={})).status

    assert talking(talk) == 404
