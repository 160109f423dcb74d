import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from local import events
from local.paynearme_side.side import PayNearMeSide
from local.sites import VERSION_2_SITE
from paynearme.messages import SmartTokenResponse
from tests.clock import Clock
from tests.unit.paynearme_side import NOW, SITES, Side, signed, talking

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN = events.load("get_smart_token")["plain"]
GUARANTEED = events.load("get_smart_token")["guaranteed_ach"]


def told(*messages: Mapping[str, str]) -> list[Any]:
    """Return the contents of PayNearMe's answers to get_smart_token calls."""

    async def talk(side: Side) -> list[Any]:
        return [(await side.told("get_smart_token", message))[1] for message in messages]

    return talking(talk)


@pytest.mark.parametrize("name", events.load("get_smart_token"))
def test_each_documented_request_is_answered_with_an_order_that_the_layer_reads(name: str) -> None:
    message = events.load("get_smart_token")[name]

    [content] = told(signed(message))

    assert content["status"] == "ok"
    [order] = SmartTokenResponse.model_validate(content).orders
    assert order.pnm_order_identifier == message["pnm_order_identifier"]
    assert order.secure_smart_link.endswith(f"/ssl/{order.secure_smart_token}")


def test_the_answer_has_the_documented_one_s_fields_and_form() -> None:
    [documented] = events.load("get_smart_token_answer")["guaranteed_ach"]["orders"]

    [content] = told(signed(GUARANTEED))

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
    first, second = told(*[signed({**PLAIN, "pnm_order_identifier": None, name: "7"})] * 2)

    [order], [again] = first["orders"], second["orders"]
    assert order["pnm_order_identifier"] == again["pnm_order_identifier"]
    assert order["site_order_identifier"] == again["site_order_identifier"]
    assert order["secure_smart_token"] != again["secure_smart_token"]


def test_an_identifier_stands_for_another_order_at_another_site() -> None:
    other = signed(PLAIN, pnm_order_identifier=None, site_order_identifier="7", site_identifier="S2155373459")
    ours, theirs = told(signed(PLAIN, pnm_order_identifier=None, site_order_identifier="7"), other)

    [order], [another] = ours["orders"], theirs["orders"]
    assert order["pnm_order_identifier"] != another["pnm_order_identifier"]


def test_a_token_s_link_remembers_nothing_personal() -> None:
    side = PayNearMeSide(SITES, Clock(NOW))

    side.carry_out("get_smart_token", signed(GUARANTEED), None)

    [link] = side.books.links.values()
    assert link.parameters["flow_trustly"] == "true"
    assert not [name for name in GUARANTEED if name.endswith("_pii") and GUARANTEED[name] in repr(link)]


def test_no_address_of_the_request_means_none_in_the_tracking_url() -> None:
    [content] = told(signed(PLAIN))

    assert content["orders"][0]["order_tracking_url"] == "https://www.paynearme-sandbox.com/84488215678"


def test_a_version_2_site_is_checked_by_its_own_version() -> None:
    assert [content["status"] for content in told(signed(PLAIN, site_identifier=VERSION_2_SITE))] == ["ok"]
