import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from paynearme.protocol.smart_token import SmartTokenResponse
from sandbox.clients import sample_messages
from sandbox.fake_paynearme.service import FakePayNearMe
from sandbox.stack.sites import VERSION_2_SITE
from tests.support.fake_clock import Clock
from tests.support.fake_paynearme_driver import NOW, SITES, FakePayNearMeDriver, run_with_fake, signed

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
GUARANTEED_REQUEST = sample_messages.load("get_smart_token")["guaranteed_ach"]


def send_all(*messages: Mapping[str, str]) -> list[Any]:
    """Return the contents of the responses to ``get_smart_token`` requests."""

    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        return [(await fake.send("get_smart_token", message))[1] for message in messages]

    return run_with_fake(scenario)


@pytest.mark.parametrize("name", sample_messages.load("get_smart_token"))
def test_each_documented_request_is_answered_with_an_order_that_the_layer_reads(name: str) -> None:
    message = sample_messages.load("get_smart_token")[name]

    [content] = send_all(signed(message))

    assert content["status"] == "ok"
    [order] = SmartTokenResponse.model_validate(content).orders
    assert order.pnm_order_identifier == message["pnm_order_identifier"]
    assert order.secure_smart_link.endswith(f"/ssl/{order.secure_smart_token}")


def test_the_answer_has_the_documented_one_s_fields_and_form() -> None:
    [sample] = sample_messages.load("get_smart_token_response")["guaranteed_ach"]["orders"]

    [content] = send_all(signed(GUARANTEED_REQUEST))

    assert content.keys() == {"status", "orders"}
    [order] = content["orders"]
    assert list(order) == list(sample)
    assert order["type"] == sample["type"]
    token, sample_token = order["secure_smart_token"], sample["secure_smart_token"]
    assert len(token) == len(sample_token)
    assert re.fullmatch(r"[A-Za-z0-9!$]+=", token)
    url, sample_url = urlsplit(order["order_tracking_url"]), urlsplit(sample["order_tracking_url"])
    assert url[:3] == sample_url[:3]
    assert [name for name, _ in parse_qsl(url.query)] == [name for name, _ in parse_qsl(sample_url.query)]
    assert url.query.split("&")[:3] == sample_url.query.split("&")[:3]


@pytest.mark.parametrize(
    "name",
    [
        "pnm_order_identifier",
        "site_order_identifier",
        "pnm_customer_identifier",
        "site_customer_identifier",
        "site_creator_identifier",
    ],
)
def test_two_calls_give_the_same_order_and_two_tokens(name: str) -> None:
    first, second = send_all(*[signed({**PLAIN_REQUEST, "pnm_order_identifier": None, name: "7"})] * 2)

    [order], [second_order] = first["orders"], second["orders"]
    assert order["pnm_order_identifier"] == second_order["pnm_order_identifier"]
    assert order["site_order_identifier"] == second_order["site_order_identifier"]
    assert order["secure_smart_token"] != second_order["secure_smart_token"]


def test_an_identifier_stands_for_another_order_at_another_site() -> None:
    other_request = signed(
        PLAIN_REQUEST, pnm_order_identifier=None, site_order_identifier="7", site_identifier="S2155373459"
    )
    first_response, second_response = send_all(
        signed(PLAIN_REQUEST, pnm_order_identifier=None, site_order_identifier="7"), other_request
    )

    [order], [other_order] = first_response["orders"], second_response["orders"]
    assert order["pnm_order_identifier"] != other_order["pnm_order_identifier"]


def test_a_token_s_link_remembers_nothing_personal() -> None:
    service = FakePayNearMe(SITES, Clock(NOW))

    service.process("get_smart_token", signed(GUARANTEED_REQUEST), None)

    [link] = service.store.links.values()
    assert link.parameters["flow_trustly"] == "true"
    assert not [name for name in GUARANTEED_REQUEST if name.endswith("_pii") and GUARANTEED_REQUEST[name] in repr(link)]


def test_no_address_of_the_request_means_none_in_the_tracking_url() -> None:
    [content] = send_all(signed(PLAIN_REQUEST))

    assert content["orders"][0]["order_tracking_url"] == "https://www.paynearme-sandbox.com/84488215678"


def test_a_version_2_site_is_checked_by_its_own_version() -> None:
    assert [content["status"] for content in send_all(signed(PLAIN_REQUEST, site_identifier=VERSION_2_SITE))] == ["ok"]
