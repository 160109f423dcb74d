from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.backend_calls import Backend, customer, faults
from tests.integration.observed import Function, Stored, Traffic
from tests.integration.payments_over_time import NOON, Payments, at, reversal
from tests.integration.signed_callbacks import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, site_changes

WHOLE: dict[str, Any] = {
    "status": "suspended",
    "suspended_reason": "identity_check",
    "self_imposed_day_limit": "0.00",
    "self_imposed_week_limit": "500.50",
    "self_imposed_month_limit": "1000.00",
}
UNSAID = {"suspended_reason": None, "self_imposed_day_limit": None, "self_imposed_week_limit": None, "self_imposed_month_limit": None}
UNFED = {"status": None, **UNSAID, "merchant_updated_at": None}
IDENTITY = {"site_identifier": SITE, "site_customer_identifier": CUSTOMER}
OTHER = SITE_OF_3_0_IN_XML
NEVER = {"count": 0, "within_days": 365}


@pytest.fixture
def backend(cold_start: Callable[[str], Function]) -> Backend:
    return Backend(cold_start).at(NOON)


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


def window(name: str, spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    return {"window": name, "spent": spent, "by_payment_type": by_type}


def spending(spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    """Return what is told at ``NOON`` of a customer who spent all of it today."""
    names = {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"}
    windows = {kind: window(name, spent, **by_type) for kind, name in names.items()}
    return {"time_zone": "America/New_York", **windows}


def brought_about(content: dict[str, Any]) -> dict[str, Any]:
    """Return what payments brought about of what is told of a customer."""
    return {name: content[name] for name in ("balance", "spending", "chargebacks", "returns")}


def test_a_customer_is_told_as_fed(backend: Backend) -> None:
    fed = backend.put(customer(), **WHOLE)

    assert fed.status == 200
    assert fed.content_type == "application/json; charset=utf-8"
    assert fed.content == {
        **IDENTITY,
        **WHOLE,
        "merchant_updated_at": "2026-11-20T17:00:00Z",
        "balance": "0.00",
        "spending": spending(),
        "chargebacks": NEVER,
        "returns": NEVER,
    }
    assert backend.get(customer()) == fed


def test_what_is_left_out_has_its_default(backend: Backend) -> None:
    fed = backend.put(customer(), suspended_reason=None).content

    assert {name: fed[name] for name in ("status", *UNSAID)} == {"status": "active", **UNSAID}


def test_to_feed_the_same_again_changes_nothing(backend: Backend, stored: Stored, traffic: Traffic) -> None:
    first = backend.put(customer(), **WHOLE)
    before = stored.everything()
    traffic.calls.clear()
    again = backend.at(NOON + timedelta(hours=1)).put(customer(), **WHOLE | {"self_imposed_month_limit": 1000})

    assert again == first
    assert stored.everything() == before
    assert "UpdateItem" not in traffic.calls


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_longer_said_holds_no_more(backend: Backend, name: str) -> None:
    backend.put(customer(), **WHOLE)
    without = {"status", "suspended_reason"} if name in ("status", "suspended_reason") else {name}
    less = {n: v for n, v in WHOLE.items() if n not in without}

    fed = backend.at(NOON + timedelta(hours=1)).put(customer(), **less).content

    assert fed[name] == ("active" if name == "status" else None)
    assert {n: fed[n] for n in less} == less
    assert fed["merchant_updated_at"] == "2026-11-20T18:00:00Z"


def test_to_feed_touches_nothing_that_payments_brought_about(
    backend: Backend, payments: Payments, reverse: Function
) -> None:
    payments.ask()
    payments.pay()
    at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1"))
    before = backend.get(customer()).content

    fed = [backend.put(customer(), **content).content for content in (WHOLE, {}, {"status": "closed"})]

    assert before["balance"] == "99.00"
    assert [brought_about(content) for content in fed] == [brought_about(before)] * 3


def test_payments_touch_nothing_that_was_fed(backend: Backend, payments: Payments) -> None:
    limits = {"self_imposed_day_limit": "5000.00"}
    fed = backend.put(customer(), **limits).content
    later = payments.at(NOON + timedelta(hours=1))
    later.ask()
    later.pay()

    told = backend.get(customer()).content

    assert {n: told[n] for n in (*UNFED, "self_imposed_day_limit")} == {n: fed[n] for n in (*UNFED, "self_imposed_day_limit")}
    assert told["balance"] == "100.00"


def test_a_payment_is_declined_for_a_customer_who_is_fed_as_suspended(
    backend: Backend, payments: Payments
) -> None:
    backend.put(customer(), status="suspended", suspended_reason="identity_check")
    asked = [payments.ask("1")]
    backend.put(customer(), self_imposed_day_limit="99.99")
    asked.append(payments.ask("2"))
    backend.put(customer(), self_imposed_day_limit="100.00")

    assert [*asked, payments.ask("3")] == [False, False, True]


def test_a_customer_who_paid_is_known_without_being_fed(backend: Backend, payments: Payments) -> None:
    payments.pay()

    assert backend.get(customer()).content == {
        **IDENTITY,
        **UNFED,
        "balance": "100.00",
        "spending": spending("100.00", credit="100.00"),
        "chargebacks": NEVER,
        "returns": NEVER,
    }


def test_a_customer_who_is_about_to_pay_is_known_without_being_fed(
    backend: Backend, payments: Payments
) -> None:
    payments.ask()

    told = backend.get(customer()).content
    assert (told["balance"], told["spending"]["day"]["spent"]) == ("0.00", "100.00")


def test_a_customer_of_whom_nothing_is_known_is_not_found(backend: Backend, payments: Payments) -> None:
    payments.ask(payment_currency="CAD")
    payments.pay("2", test="true")

    answer = backend.get(customer())

    assert answer.status == 404
    assert answer.content["type"].endswith(":not-found")


def test_each_customer_is_its_own_and_so_is_each_sites(backend: Backend, payments: Payments) -> None:
    backend.put(customer(), self_imposed_day_limit="1000")
    backend.put(customer("2"), self_imposed_day_limit="2000")
    backend.put(customer(site=OTHER), self_imposed_day_limit="3000")
    payments.pay("1")
    payments.pay("2", payment_amount="0.02", site_customer_identifier="2")
    payments.pay("3", payment_amount="0.03", **site_changes(OTHER))

    places = [customer(), customer("2"), customer(site=OTHER)]
    told = [backend.get(place).content for place in places]
    assert [content["self_imposed_day_limit"] for content in told] == ["1000.00", "2000.00", "3000.00"]
    assert [content["balance"] for content in told] == ["100.00", "0.02", "0.03"]
    assert [content["spending"]["week"]["spent"] for content in told] == ["100.00", "0.02", "0.03"]
    assert backend.get(customer("2", site=OTHER)).status == 404


@pytest.mark.parametrize("identifier", ["a b", "user@example.com", "ä/ö?#&=+", "50%", "%41", "..", "1" * 256])
def test_a_customer_can_have_any_identifier_that_callbacks_can_carry(
    backend: Backend, payments: Payments, identifier: str
) -> None:
    backend.put(customer(identifier), self_imposed_day_limit="99.99")
    asked = payments.ask(site_customer_identifier=identifier)
    payments.pay(site_customer_identifier=identifier)

    told = backend.get(customer(identifier)).content
    assert not asked
    assert told["site_customer_identifier"] == identifier
    assert (told["self_imposed_day_limit"], told["balance"]) == ("99.99", "100.00")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"status": "zq7"}, {"status"}),
        ({"status": "suspended"}, {"suspended_reason"}),
        ({"suspended_reason": "zq7"}, {"suspended_reason"}),
        ({"status": "closed", "suspended_reason": "zq7"}, {"suspended_reason"}),
        ({"status": "suspended", "suspended_reason": "zq7 said so"}, {"suspended_reason"}),
        ({"self_imposed_day_limit": "-0.01"}, {"self_imposed_day_limit"}),
        ({"self_imposed_week_limit": "zq7"}, {"self_imposed_week_limit"}),
        ({"self_imposed_month_limit": [1]}, {"self_imposed_month_limit"}),
        ({"self_imposed_year_limit": "1"}, {"self_imposed_year_limit"}),
        ({"balance": "1000000"}, {"balance"}),
        ({"site_customer_identifier": CUSTOMER}, {"site_customer_identifier"}),
        ({"site_identifier": OTHER, "status": "zq7"}, {"site_identifier"}),
    ],
    ids=str,
)
def test_what_cannot_be_fed_is_named_and_not_stored(
    backend: Backend, stored: Stored, content: dict[str, Any], names: set[str]
) -> None:
    answer = backend.put(customer(), **content)

    assert faults(answer).keys() == names
    assert "zq7" not in answer.body
    assert stored.everything() == []
