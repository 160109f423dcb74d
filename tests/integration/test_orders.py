from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.backend_calls import ORDER, Backend, faults, order
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored, Traffic
from tests.integration.payments_over_time import NOON, at
from tests.integration.signed_callbacks import SITE, SITE_OF_3_0_IN_XML, authorization

WHOLE: dict[str, Any] = {
    "status": "closed",
    "order_type": "up-to",
    "order_amount": "500.00",
    "minimum_payment_amount": "0.50",
    "expires_at": "2026-11-20T18:00:00.25-05:00",
}
UNSAID = {"order_amount": None, "minimum_payment_amount": None, "expires_at": None}
IDENTITY = {"site_identifier": SITE, "pnm_order_identifier": ORDER}


@pytest.fixture
def backend(cold_start: Callable[[str], Function]) -> Backend:
    return Backend(cold_start)


def test_an_order_is_told_as_it_was_fed(backend: Backend) -> None:
    fed = backend.at(NOON).put(order(), **WHOLE)

    assert fed.status == 200
    assert fed.content_type == "application/json; charset=utf-8"
    assert fed.content == {
        **IDENTITY,
        **WHOLE,
        "expires_at": "2026-11-20T23:00:00.250000Z",
        "merchant_updated_at": "2026-11-20T17:00:00Z",
    }
    assert backend.get(order()) == fed


def test_what_is_left_out_has_its_default(backend: Backend) -> None:
    assert backend.put(order(), order_amount=None).status == 200

    told = backend.get(order()).content
    del told["merchant_updated_at"]
    assert told == {**IDENTITY, "status": "open", "order_type": "any", **UNSAID}


def test_what_is_fed_is_what_authorizations_are_decided_by(backend: Backend, stored: Stored) -> None:
    backend.at(NOON).put(order(), **WHOLE)

    [item] = stored.everything()
    assert item == {
        "pk": f"ORDER#{SITE}#{ORDER}",
        "sk": "ORDER",
        **IDENTITY,
        **WHOLE,
        "order_amount": Decimal(500),
        "minimum_payment_amount": Decimal("0.5"),
        "expires_at": "2026-11-20T23:00:00.250000+00:00",
        "merchant_updated_at": "2026-11-20T17:00:00+00:00",
    }


def test_a_payment_is_declined_for_an_order_that_is_fed_as_closed_until_it_is_fed_as_open(
    backend: Backend, authorize: Function, deployed_policy: DeployedPolicy
) -> None:
    def asked(number: str) -> str:
        answer = authorize(authorization(pnm_payment_identifier=number))
        return answer.fields["accept_payment"]

    deployed_policy.put_defaults(unknown_order="decline")
    answers = [asked("1")]
    backend.put(order(), status="closed")
    answers.append(asked("2"))
    backend.put(order())

    assert [*answers, asked("3")] == ["no", "no", "yes"]


def test_to_feed_the_same_again_changes_nothing(backend: Backend, stored: Stored, traffic: Traffic) -> None:
    first = backend.at(NOON).put(order(), **WHOLE)
    before = stored.everything()
    # The same moment and the same amounts, in other words.
    same = WHOLE | {"order_amount": 500, "expires_at": "2026-11-20T23:00:00.250Z"}
    traffic.calls.clear()
    again = backend.at(NOON + timedelta(days=1)).put(order(), **same)

    assert again == first
    assert stored.everything() == before
    assert "UpdateItem" not in traffic.calls


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_longer_said_holds_no_more(backend: Backend, name: str) -> None:
    backend.at(NOON).put(order(), **WHOLE)
    less = {n: v for n, v in WHOLE.items() if n != name}
    if name == "order_amount":
        less["order_type"] = "any"

    later = NOON + timedelta(hours=1)
    fed = backend.at(later).put(order(), **less)

    default = {"status": "open", "order_type": "any"}.get(name)
    assert fed.content[name] == default
    assert fed.content["merchant_updated_at"] == "2026-11-20T18:00:00Z"
    assert backend.get(order()) == fed


def test_each_order_is_its_own_and_so_is_each_sites(backend: Backend) -> None:
    backend.put(order(), order_amount="1")
    backend.put(order("2"), order_amount="2")
    backend.put(order(site=SITE_OF_3_0_IN_XML), order_amount="3")

    places = [order(), order("2"), order(site=SITE_OF_3_0_IN_XML)]
    assert [backend.get(place).content["order_amount"] for place in places] == ["1.00", "2.00", "3.00"]
    assert backend.get(order("2", site=SITE_OF_3_0_IN_XML)).status == 404


@pytest.mark.parametrize(
    ("amount", "told"),
    [("0.01", "0.01"), ("5", "5.00"), (25.5, "25.50"), ("999999999999.99", "999999999999.99")],
)
def test_amounts_are_exact(backend: Backend, amount: Any, told: str) -> None:
    assert backend.put(order(), order_amount=amount).content["order_amount"] == told
    assert backend.get(order()).content["order_amount"] == told


def test_an_order_that_nobody_fed_is_not_found(backend: Backend, authorize: Function) -> None:
    # That payments are made for it makes it known to nobody.
    at(datetime.now(UTC), authorize, authorization())

    answer = backend.get(order())

    assert answer.status == 404
    assert answer.content["type"].endswith(":not-found")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"status": "zq7"}, {"status"}),
        ({"status": ""}, {"status"}),
        ({"order_type": "zq7"}, {"order_type"}),
        ({"order_type": "exact"}, {"order_amount"}),
        ({"order_type": "up-to", "order_amount": None}, {"order_amount"}),
        ({"order_amount": "zq7"}, {"order_amount"}),
        ({"order_amount": "0"}, {"order_amount"}),
        ({"minimum_payment_amount": "-1"}, {"minimum_payment_amount"}),
        ({"order_amount": "1", "minimum_payment_amount": "1.01"}, {"minimum_payment_amount"}),
        ({"expires_at": "2026-11-20T18:00:00"}, {"expires_at"}),
        ({"expires_at": {"zq7": 1}}, {"expires_at"}),
        ({"site_identifier": SITE}, {"site_identifier"}),
        ({"pnm_order_identifier": "zq7"}, {"pnm_order_identifier"}),
        ({"status": "zq7", "order_amount": "zq7", "zq7": 1}, {"status", "order_amount", "zq7"}),
        ({"test": True}, {"test"}),
    ],
    ids=lambda part: str(sorted(part)) if isinstance(part, set) else str(part),
)
def test_what_cannot_be_fed_is_named_and_not_stored(
    backend: Backend, stored: Stored, content: dict[str, Any], names: set[str]
) -> None:
    answer = backend.put(order(), **content)

    assert faults(answer).keys() == names
    assert "zq7" not in "".join(faults(answer).values())
    assert stored.everything() == []


@pytest.mark.parametrize("identifier", ["", "a b", "1" * 65, "%", "pnm_order_identifier1", "..", "é"])
def test_what_cannot_be_paynearmes_identifier_is_named(
    backend: Backend, stored: Stored, identifier: str
) -> None:
    for answer in (backend.get(order(identifier)), backend.put(order(identifier))):
        assert faults(answer).keys() == {"pnm_order_identifier"}
    assert stored.everything() == []


def test_the_query_of_a_get_has_no_parameter(backend: Backend) -> None:
    assert faults(backend.get(order(), test="true")).keys() == {"test"}
    assert faults(backend.get(order(), site_identifier=SITE)).keys() == {"site_identifier"}
