"""DynamoDB and Secrets Manager failing behind the deployed functions: an answer in time, nothing lost."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from local.callbacks import CallbackSender, Kind
from local.control import Control
from local.drive import Books, confirmation_of, reversal_of
from local.events import Parameters, load, with_fresh_payment
from local.stack import Stack
from tests.e2e.delivering import at_once, paid

WITHIN_SECONDS = 8
FAULTS: list[dict[str, Any]] = [
    {"mode": "refuse"},
    {"mode": "throttle"},
    {"mode": "error500"},
    {"mode": "hang"},
    {"mode": "slow", "seconds": 30},
    {"mode": "lost"},
]
UNTIL_WELL = [{**fault, "times": 1} for fault in FAULTS]


@pytest.fixture
def warm(sender: CallbackSender) -> None:
    """Have the three functions hold the sites' keys."""
    message = with_fresh_payment(load("authorization")["credit"])
    confirmation = confirmation_of({**message, "site_customer_identifier": "warms-up"})
    for_each: dict[Kind, Parameters] = {
        "authorize": message,
        "confirm": confirmation,
        "reverse": reversal_of(confirmation),
    }
    for kind, parameters in for_each.items():
        # A process that has yet to start may take longer than PayNearMe waits.
        deliveries = sender.deliver_until_acknowledged(kind, parameters, "json", minute=0.01, attempts=5)
        assert deliveries[-1].accepted, kind


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_without_dynamodb_who_asks_is_declined_in_words_and_who_tells_is_booked_once_later(
    sender: CallbackSender, faults: Control, books: Books, authorization: Parameters, fault: dict[str, Any]
) -> None:
    payer, returner = f"waits-out-{fault['mode']}", f"gets-back-after-{fault['mode']}"
    site, net = authorization["site_identifier"], Decimal(authorization["net_payment_amount"])
    confirmation = confirmation_of(with_fresh_payment(authorization), site_customer_identifier=payer)
    reversal = reversal_of(paid(sender, with_fresh_payment(authorization), returner))
    told: dict[Kind, Parameters] = {"confirm": confirmation, "reverse": reversal}
    faults.post("fault", {"service": "dynamodb", **fault})

    during = at_once(sender, {"authorize": authorization, **told})
    faults.post("reset")
    after = {kind: sender.deliver(kind, message, "json") for kind, message in told.items()}

    asked = during["authorize"]
    assert asked.accepted, asked.reason
    assert asked.fields is not None
    assert asked.fields["accept_payment"] == "no"
    for kind in told:
        assert during[kind].status == 503, kind
        assert json.loads(during[kind].body)["title"] == "Temporarily unavailable"
        assert after[kind].accepted, (kind, after[kind].reason)
    for kind, delivery in during.items():
        assert delivery.seconds < WITHIN_SECONDS, kind
    assert books.balance(site, payer) == net
    assert books.balance(site, returner) == 0


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("fault", UNTIL_WELL, ids=str)
def test_one_failure_of_dynamodb_goes_unnoticed(
    sender: CallbackSender, faults: Control, books: Books, authorization: Parameters, fault: dict[str, Any]
) -> None:
    customer = f"unaware-of-{fault['mode']}"
    message = {**authorization, "site_customer_identifier": customer}

    faults.post("fault", {"service": "dynamodb", **fault})
    asked = sender.deliver("authorize", message, "json")
    faults.post("fault", {"service": "dynamodb", **fault})
    told = sender.deliver("confirm", confirmation_of(message), "json")

    assert asked.fields is not None
    assert asked.fields["accept_payment"] == "yes"
    assert told.accepted, told.reason
    payment = books.payment(message["site_identifier"], message["pnm_payment_identifier"])
    assert payment is not None
    assert "anomalies" not in payment
    assert books.balance(message["site_identifier"], customer) == Decimal(message["net_payment_amount"])


@pytest.mark.parametrize("fault", [{"mode": "refuse"}, {"mode": "throttle"}, {"mode": "hang"}], ids=str)
def test_without_the_sites_keys_authorizations_are_declined_and_confirmations_refused(
    cold: Callable[[], None],
    sender: CallbackSender,
    faults: Control,
    books: Books,
    authorization: Parameters,
    fault: dict[str, Any],
) -> None:
    cold()
    faults.post("fault", {"service": "secretsmanager", **fault})

    deliveries = at_once(sender, {"authorize": authorization, "confirm": confirmation_of(authorization)})
    asked, told = deliveries["authorize"], deliveries["confirm"]

    assert asked.accepted, asked.reason
    assert asked.fields is not None
    assert asked.fields["accept_payment"] == "no"
    assert told.status == 503
    assert max(asked.seconds, told.seconds) < WITHIN_SECONDS
    assert books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"]) is None


def test_a_bad_message_is_a_bad_message_even_when_everything_fails(
    stack: Stack, sender: CallbackSender, faults: Control, authorization: Parameters
) -> None:
    faults.post("fault", {"service": "dynamodb", "mode": "refuse"})

    assert sender.deliver("authorize", {**authorization, "payment_amount": "x"}, "json").status == 400


def test_paynearmes_repeats_bring_a_confirmation_through_an_outage(
    sender: CallbackSender, faults: Control, books: Books, authorization: Parameters
) -> None:
    customer = "through-an-outage"
    confirmation = confirmation_of(authorization, site_customer_identifier=customer)
    # More failures than the attempts of one delivery.
    faults.post("fault", {"service": "dynamodb", "mode": "error500", "times": 40})

    deliveries = sender.deliver_until_acknowledged("confirm", confirmation, "json", minute=0.01, attempts=20)

    assert deliveries[0].status == 503
    assert deliveries[-1].accepted
    assert books.balance(confirmation["site_identifier"], customer) == Decimal(
        confirmation["net_payment_amount"]
    )


@pytest.mark.usefixtures("warm")
def test_an_authorization_costs_two_round_trips_and_everything_else_about_it_one(
    sender: CallbackSender, faults: Control, authorization: Parameters
) -> None:
    def calls(kind: Kind, message: Parameters) -> dict[str, int]:
        faults.delete("counts")
        assert sender.deliver(kind, message, "json").accepted
        counted: dict[str, int] = faults.get("counts")
        return {name: number for name, number in counted.items() if name.startswith("DynamoDB")}

    read, write = "DynamoDB_20120810.BatchGetItem", "DynamoDB_20120810.TransactWriteItems"
    other = with_fresh_payment(authorization)
    assert calls("authorize", authorization) == {read: 1, write: 1}
    assert calls("authorize", authorization) == {read: 1}
    assert calls("confirm", confirmation_of(authorization)) == {write: 1}
    assert calls("confirm", confirmation_of(authorization)) == {write: 1}
    assert calls("authorize", other) == {read: 1, write: 1}
    assert calls("confirm", confirmation_of(other, status="decline")) == {write: 1}
