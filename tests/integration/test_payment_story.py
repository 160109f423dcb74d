from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.backend_calls import ORDER, Backend, faults, payment
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Answer, Function, Stored, Traffic
from tests.integration.payments_over_time import NOON, Payments, at, reversal, sent
from tests.integration.signed_callbacks import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, confirmation

EMPTY: dict[str, Any] = {"anomalies": [], "reversals": []}
CONFIRMED = {
    "outcome": "payment",
    "confirmed_at": "2026-11-20T17:00:00Z",
    "confirmed_amount": "100.00",
    "confirmed_currency": "USD",
    "confirmed_net": "97.50",
    "confirmed_order": ORDER,
    "confirmed_customer": CUSTOMER,
    "standin": False,
    "posted_amount": "97.50",
}
HELD = {
    "site_customer_identifier": CUSTOMER,
    "amount": "100.00",
    "payment_type": "credit",
    "windows": {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"},
}


@pytest.fixture
def backend(cold_start: Callable[[str], Function]) -> Backend:
    return Backend(cold_start)


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


def told(answer: Answer) -> dict[str, Any]:
    """Return what is known: what is null is not."""
    assert answer.status == 200
    return {name: value for name, value in answer.content.items() if value is not None}


def identity(**more: Any) -> dict[str, Any]:
    return {
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": ORDER,
        "site_customer_identifier": CUSTOMER,
        "test": False,
        **more,
    }


def test_a_payment_that_was_asked_for_is_told(
    backend: Backend, payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    payments.ask(net_payment_amount="97.5", site_order_identifier="ours", agent_name="zq7")
    item = payments.item()

    answer = backend.get(payment("1"))

    assert answer.content_type == "application/json; charset=utf-8"
    assert told(answer) == EMPTY | identity(
        site_order_identifier="ours",
        site_payment_identifier=item["site_payment_identifier"],
        payment_type="credit",
        decision="accept",
        reason="accepted",
        decided_at="2026-11-20T17:00:00Z",
        policy_version=item["policy_version"],
        authorized_amount="100.00",
        authorized_currency="USD",
        authorized_net="97.50",
        authorized_order=ORDER,
        authorized_customer=CUSTOMER,
        reservation=HELD,
    )


def test_a_declined_payment_is_told_with_its_reason(
    backend: Backend, payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "99.99"}})
    assert not payments.ask()

    story = told(backend.get(payment("1")))

    assert (story["decision"], story["reason"]) == ("decline", "amount_too_high")
    assert story["decline_reason"] == payments.item()["decline_reason"]
    assert "reservation" not in story


def test_a_payment_that_nobody_asked_for_is_told_by_its_outcome(backend: Backend, payments: Payments) -> None:
    payments.pay(net_payment_amount="97.50")

    known = {"payment_type": "credit", "reservation": HELD}
    assert told(backend.get(payment("1"))) == EMPTY | identity() | CONFIRMED | known


def test_asked_paid_and_come_back_in_parts_it_is_one_story(
    backend: Backend, payments: Payments, reverse: Function
) -> None:
    payments.ask()
    payments.pay(net_payment_amount="97.50")
    parts: list[tuple[int, dict[str, str | None]]] = [
        (2, {"reverse_amount": "90.00", "reverse_type": "Chargeback", "reverse_code": "4853"}),
        (1, {"reverse_amount": "0.01", "reverse_type": None, "reverse_code": None}),
        (3, {"reverse_amount": "9.99"}),
    ]
    for days, changes in sorted(parts, key=lambda part: part[0]):
        now = NOON + timedelta(days=days)
        message = reversal(pnm_payment_identifier="1", timestamp=sent(now), **changes)
        assert at(now, reverse, message).status == 200
        assert at(now, reverse, message).status == 200

    story = told(backend.get(payment("1")))

    assert {name: story[name] for name in CONFIRMED} == CONFIRMED
    assert (story["reversed_amount"], story["debited_amount"]) == ("100.00", "97.50")
    reversals = [
        ("2026-11-21T17:00:00Z", "other", None, None, "0.01", "0.01"),
        ("2026-11-22T17:00:00Z", "chargeback", "Chargeback", "4853", "90.00", "90.00"),
        ("2026-11-23T17:00:00Z", "return", "Bank Return", "R01", "9.99", "7.49"),
    ]
    names = ("at", "kind", "type", "code", "amount", "debited_amount")
    assert story["reversals"] == [dict(zip(names, reversal, strict=True)) for reversal in reversals]
    assert story["anomalies"] == []


def test_a_reversal_alone_is_told_too(backend: Backend, reverse: Function) -> None:
    assert at(NOON, reverse, reversal(pnm_payment_identifier="1")).status == 200

    story = told(backend.get(payment("1")))

    assert {name: story[name] for name in identity()} == identity()
    assert story["anomalies"] == ["reversed_unknown"]
    assert [entry["debited_amount"] for entry in story["reversals"]] == ["0.00"]
    assert "outcome" not in story
    assert "decision" not in story


def test_what_was_given_back_and_what_failed_holds_nothing(backend: Backend, payments: Payments) -> None:
    payments.ask("1")
    payments.release("1")
    payments.ask("2")
    payments.fail("2")

    released, failed = (told(backend.get(payment(number))) for number in "12")

    assert released["released_at"] == "2026-11-20T17:00:00Z"
    assert "released_at" not in failed
    assert failed["outcome"] == "decline"
    assert "posted_amount" not in failed
    assert [story["reservation"] for story in (released, failed)] == [HELD | {"amount": "0.00"}] * 2


def test_what_needs_a_persons_eye_is_told_in_a_fixed_order(backend: Backend, payments: Payments) -> None:
    payments.ask(payment_amount="1")
    payments.pay(pnm_order_identifier="2", site_customer_identifier="3", net_payment_amount="100.01")

    anomalies = told(backend.get(payment("1")))["anomalies"]

    assert anomalies == ["amount_differs", "customer_differs", "net_exceeds_amount", "order_differs"]


def test_test_payments_are_told_apart(backend: Backend, payments: Payments) -> None:
    payments.pay("1", payment_amount="1.00")
    payments.pay("1", payment_amount="2.00", test="true")
    payments.pay("2", test="true")

    real = [told(backend.get(payment("1"))), told(backend.get(payment("1"), test="false"))]
    test = told(backend.get(payment("1"), test="true"))

    assert [(story["test"], story["confirmed_amount"]) for story in real] == [(False, "1.00")] * 2
    assert (test["test"], test["confirmed_amount"]) == (True, "2.00")
    assert "posted_amount" not in test
    assert backend.get(payment("2")).status == 404


def test_the_same_identifier_at_another_site_is_another_payment(backend: Backend, payments: Payments) -> None:
    payments.pay("1")

    assert backend.get(payment("1", site=SITE_OF_3_0_IN_XML)).status == 404


def test_a_payment_that_nobody_told_of_is_not_found(backend: Backend) -> None:
    answer = backend.get(payment())

    assert answer.status == 404
    assert answer.content["type"].endswith(":not-found")


@pytest.mark.parametrize("amount", ["0.01", "0.10", "100000000000.00", "999999999999.99"])
def test_amounts_are_exact(backend: Backend, payments: Payments, amount: str) -> None:
    payments.pay(payment_amount=amount)

    story = told(backend.get(payment("1")))

    amounts = {story[name] for name in ("confirmed_amount", "confirmed_net", "posted_amount")}
    assert amounts | {story["reservation"]["amount"]} == {amount}


def test_a_story_takes_one_call_of_dynamodb(backend: Backend, payments: Payments, traffic: Traffic) -> None:
    payments.pay("1")

    assert traffic.made_by(lambda: backend.get(payment("1"))) == ["BatchGetItem"]


def test_nothing_personal_is_told(backend: Backend, confirm: Function) -> None:
    personal = {
        "agent_name": "zq7",
        "agent_email": "zq7@example.com",
        "payment_bank_name": "zq7",
        "customer_name_pii": "zq7",
        "retailer_location_address": "zq7",
        "payment_card_last4": "zq7",
    }
    assert at(NOON, confirm, confirmation(pnm_payment_identifier="1", **personal)).status == 200

    assert "zq7" not in backend.get(payment("1")).body


@pytest.mark.parametrize(
    ("query", "names"),
    [({"test": "yes"}, {"test"}), ({"test": ""}, {"test"}), ({"zq7": "1"}, {"zq7"})],
    ids=str,
)
def test_what_cannot_be_asked_is_named(backend: Backend, query: dict[str, str], names: set[str]) -> None:
    assert faults(backend.get(payment(), **query)).keys() == names
    assert faults(backend.get(payment("a b"))).keys() == {"pnm_payment_identifier"}
