"""What a payment's changes are told as, from the table's stream."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON, Payments, at, reversal
from tests.integration.signed_callbacks import CUSTOMER, SITE, authorization, confirmation
from tests.integration.streamed import Streamed, balances_by

ORDER = "80080175585"
LATER = NOON + timedelta(days=2)


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored, streamed: Streamed) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.fixture
def told(streamed: Streamed) -> Callable[[], list[str]]:
    """Tells of what kinds the new events are: an anomaly's is its code."""
    return lambda: [getattr(event, "anomaly", event.detail_type) for event in streamed.told()]


@pytest.fixture
def details(streamed: Streamed) -> Callable[[], dict[str, Any]]:
    """Returns what the only new event says, but for what tells it apart from others and what is null."""

    def details() -> dict[str, Any]:
        [event] = streamed.told()
        apart = {"event_identifier", "sequence", "schema_version"}
        return {"type": event.detail_type} | event.model_dump(mode="json", exclude=apart, exclude_none=True)

    return details


def about(payments: Payments, **says: Any) -> dict[str, Any]:
    """Return what an event says of the payment that was asked about."""
    return {
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": ORDER,
        "site_customer_identifier": CUSTOMER,
        "site_payment_identifier": payments.item()["site_payment_identifier"],
        "occurred_at": "2026-11-20T17:00:00Z",
        "payment_amount": "100.00",
        "payment_currency": "USD",
        "payment_type": "credit",
        **says,
    }


def test_an_accepted_payment_is_told(payments: Payments, details: Callable[[], dict[str, Any]]) -> None:
    payments.ask(site_order_identifier="ours")

    known = {"reason": "accepted", "policy_version": payments.item()["policy_version"], "site_order_identifier": "ours"}
    assert details() == about(payments, type="PaymentAuthorized", **known)


def test_a_declined_payment_is_told_with_its_reason(
    payments: Payments, deployed_policy: DeployedPolicy, details: Callable[[], dict[str, Any]]
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "99.99"}})

    payments.ask()

    known = {"reason": "amount_too_high", "policy_version": payments.item()["policy_version"]}
    assert details() == about(payments, type="AuthorizationDeclined", **known)


def test_a_payment_that_was_made_as_asked_is_told_with_what_moved(
    payments: Payments, streamed: Streamed, details: Callable[[], dict[str, Any]]
) -> None:
    payments.ask()
    streamed.told()

    payments.pay(net_payment_amount="97.5", payment_type=None, standin="true")

    assert details() == about(
        payments,
        type="PaymentConfirmed",
        net_payment_amount="97.50",
        credited_amount="97.50",
        authorized=True,
        standin=True,
    )


def test_a_payment_that_failed_is_told_with_what_is_known_of_it(
    payments: Payments, streamed: Streamed, details: Callable[[], dict[str, Any]]
) -> None:
    payments.ask()
    streamed.told()
    amounts = ["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]

    payments.fail("1", **dict.fromkeys(amounts))

    known = about(payments, type="PaymentFailed")
    assert details() == {name: value for name, value in known.items() if name not in amounts}


def test_a_payment_that_nobody_asked_about_is_told_as_such(
    payments: Payments, details: Callable[[], dict[str, Any]]
) -> None:
    payments.pay()

    event = details()
    assert (event["type"], event["authorized"], event["credited_amount"]) == (
        "PaymentConfirmed",
        False,
        "100.00",
    )
    assert "site_payment_identifier" not in event


def test_a_payment_that_was_made_though_we_had_declined_it_is_told_as_such(
    payments: Payments, deployed_policy: DeployedPolicy, streamed: Streamed
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "99.99"}})
    payments.ask()
    payments.pay()

    _, confirmed, anomaly = (event.model_dump(mode="json") for event in streamed.told())
    assert (confirmed["authorized"], confirmed["credited_amount"]) == (False, "100.00")
    assert anomaly["anomaly"] == "paid_after_decline"


def test_without_a_customer_nothing_is_told_to_be_on_a_balance(
    payments: Payments, streamed: Streamed, stored: Stored
) -> None:
    payments.pay(site_customer_identifier=None)

    confirmed, anomaly = streamed.told()
    assert confirmed.model_dump(mode="json")["credited_amount"] == "0.00"
    assert anomaly.model_dump()["anomaly"] == "customer_missing"
    assert stored.balances() == {}


def test_a_question_that_comes_after_its_outcome_is_told_after_it(
    payments: Payments, deployed_policy: DeployedPolicy, told: Callable[[], list[str]]
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "100.00"}})
    payments.pay("1")
    payments.ask("1")
    payments.pay("2", payment_amount="100.01")
    payments.ask("2", payment_amount="100.01")

    assert told() == [
        *("PaymentConfirmed", "PaymentAuthorized"),
        *("PaymentConfirmed", "AuthorizationDeclined", "paid_after_decline"),
    ]


def test_a_payment_after_its_decline_is_told_as_both(
    payments: Payments, told: Callable[[], list[str]]
) -> None:
    payments.fail()
    payments.pay()

    assert told() == ["PaymentFailed", "PaymentConfirmed", "outcome_contradicted"]


def test_what_came_back_is_told_once_for_each_reversal(
    payments: Payments, reverse: Function, streamed: Streamed, details: Callable[[], dict[str, Any]]
) -> None:
    payments.ask()
    payments.pay(net_payment_amount="97.50")
    streamed.told()
    parts: dict[str, dict[str, str | None]] = {
        "60.00": {"reverse_amount": "60.00"},
        "37.50": {"reverse_amount": "40.00", "reverse_type": "Chargeback", "reverse_code": None},
    }
    for debited_amount, changes in parts.items():
        at(LATER, reverse, reversal(pnm_payment_identifier="1", **changes))

        event = details()
        kind, code = ("chargeback", None) if "reverse_type" in changes else ("return", "R01")
        assert event["type"] == "PaymentReversed"
        assert event["occurred_at"] == "2026-11-22T17:00:00Z"
        assert (event["reversal_kind"], event.get("reverse_code")) == (kind, code)
        assert event["reverse_type"] == changes.get("reverse_type", "Bank Return")
        assert (event["reversed_amount"], event["debited_amount"]) == (changes["reverse_amount"], debited_amount)


def test_what_came_back_before_it_was_posted_is_told_and_only_the_rest_is_added(
    payments: Payments, reverse: Function, streamed: Streamed, stored: Stored
) -> None:
    at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="40.00"))
    payments.pay(net_payment_amount="97.50")

    events = [event.model_dump(mode="json") | {"type": event.detail_type} for event in streamed.told()]
    assert [event["type"] for event in events] == ["PaymentReversed", "PaymentAnomaly", "PaymentConfirmed"]
    assert (events[0]["debited_amount"], events[1]["anomaly"]) == ("0.00", "reversed_unknown")
    assert events[2]["credited_amount"] == "57.50"
    assert balances_by(streamed.events) == stored.balances()


def test_a_reversal_names_the_customer_whose_balance_it_was_taken_off(
    payments: Payments, reverse: Function, streamed: Streamed, stored: Stored
) -> None:
    payments.pay()
    payments.ask(site_customer_identifier="another")
    at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="40.00"))

    streamed.told()
    assert balances_by(streamed.events) == stored.balances() == {CUSTOMER: Decimal("60.00")}


def test_each_thing_that_does_not_fit_is_told_by_itself_and_once(
    payments: Payments, told: Callable[[], list[str]]
) -> None:
    payments.ask()
    told()

    payments.pay(
        payment_amount="90.00",
        net_payment_amount="95.00",
        pnm_order_identifier="1",
        site_customer_identifier="another",
    )
    assert told() == [
        "PaymentConfirmed",
        *("amount_differs", "customer_differs", "net_exceeds_amount", "order_differs"),
    ]
    payments.pay(payment_amount="80.00")
    payments.pay(payment_amount="70.00")
    assert told() == ["outcome_contradicted"]
    payments.ask(payment_amount="1.00")
    payments.ask(payment_amount="2.00")
    assert told() == ["authorization_conflict"]


def test_what_was_released_and_decided_on_again_is_told_as_another_decision(
    payments: Payments, streamed: Streamed
) -> None:
    payments.ask()
    payments.at(LATER).release()
    payments.at(LATER).ask()
    payments.at(LATER + timedelta(days=2)).release()

    events = streamed.told()
    assert [event.detail_type for event in events] == ["PaymentAuthorized", "ReservationReleased"] * 2
    assert len({event.event_identifier for event in events}) == 4
    released = [event.model_dump(mode="json") for event in events[1::2]]
    assert [event["decided_at"] for event in released] == ["2026-11-20T17:00:00Z", "2026-11-22T17:00:00Z"]
    assert {event["payment_amount"] for event in released} == {"100.00"}


def test_a_payment_after_its_release_is_told_with_what_is_wrong(
    payments: Payments, told: Callable[[], list[str]]
) -> None:
    payments.ask()
    payments.at(LATER).release()
    payments.at(LATER).pay()

    assert told() == ["PaymentAuthorized", "ReservationReleased", "PaymentConfirmed", "paid_after_release"]


@pytest.mark.parametrize("forged", [authorization, confirmation])
def test_a_forged_callback_is_told_to_nobody(
    authorize: Function, confirm: Function, streamed: Streamed, forged: Callable[..., dict[str, str]]
) -> None:
    function = authorize if forged is authorization else confirm

    assert function(forged(secret="another")).status == 401
    assert streamed.records() == []
