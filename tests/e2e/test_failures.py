"""DynamoDB and Secrets Manager failing behind the deployed functions: an answer in time, nothing lost."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, confirmation_of, reversal_of
from local.events import Parameters, load, with_fresh_payment
from local.processes import functions_running
from local.stack import Stack
from tests.e2e.conftest import controlled_faults
from tests.e2e.delivering import at_once, paid

WITHIN_SECONDS = 8
type FaultFields = dict[str, Any]

FAULTS: list[FaultFields] = [
    {"mode": "refuse"},
    {"mode": "throttle"},
    {"mode": "error500"},
    {"mode": "hang"},
    {"mode": "slow", "seconds": 30},
    {"mode": "lost"},
]
AT_ONCE = len(FAULTS) + 1
"""How many are called for at once: one for each fault, and a confirmation that is repeated."""
FUNCTIONS: dict[Kind, str] = {
    "authorize": "AuthorizeFunction",
    "confirm": "ConfirmFunction",
    "reverse": "ReverseFunction",
}
of_each_fault = pytest.mark.parametrize("mode", [fault["mode"] for fault in FAULTS])


def with_each_fault[T](meet: Callable[[FaultFields], T]) -> dict[str, Future[T]]:
    """Return what comes of each fault, by its mode: all are met at the same time, because most is waiting."""
    with ThreadPoolExecutor(len(FAULTS)) as threads:
        return {fault["mode"]: threads.submit(meet, fault) for fault in FAULTS}


def about(message: Parameters) -> FaultFields:
    """Return what a fault strikes that is DynamoDB's, and about one payment alone."""
    return {"service": "dynamodb", "about": message["pnm_payment_identifier"]}


@pytest.fixture(scope="module")
def warm(stack: Stack, folder: Path) -> None:
    """Have as many processes of the three functions as are called at once, which hold the sites' keys."""
    patient = CallbackSender(stack.callback_url, stack.sites, answer_within=60)
    for kind, function in FUNCTIONS.items():

        def call(_: int, kind: Kind = kind) -> bool:
            payment = with_fresh_payment(load("authorization")["credit"])
            confirmation = confirmation_of({**payment, "site_customer_identifier": "warms-up"})
            messages: dict[Kind, Parameters] = {
                "authorize": payment,
                "confirm": confirmation,
                "reverse": reversal_of(confirmation),
            }
            return patient.deliver(kind, messages[kind], "json").accepted

        with controlled_faults(stack) as control:
            # So all are busy until the last has started.
            control.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
            with ThreadPoolExecutor(AT_ONCE) as threads:
                assert all(threads.map(call, range(AT_ONCE)))
        assert len(functions_running(folder / "processes.json", function)) >= AT_ONCE


@dataclass(frozen=True)
class Outage:
    """What came of an authorization, a confirmation and a reversal, while DynamoDB failed and afterwards."""

    during: dict[Kind, Delivery]
    after: dict[Kind, Delivery]
    to_pay: Decimal
    payer_has: Decimal
    returner_has: Decimal


@dataclass(frozen=True)
class Repeats:
    """A confirmation, and what came of it until it was acknowledged, which was after an outage."""

    confirmation: Parameters
    deliveries: list[Delivery]


@dataclass(frozen=True)
class Outages:
    """What came of each fault, by its mode, and of PayNearMe's repeats beside them."""

    met: dict[str, Future[Outage]]
    repeats: Future[Repeats]


@pytest.fixture(scope="module")
def outages(warm: None, stack: Stack, sender: CallbackSender, books: Books) -> Iterator[Outages]:
    """Each fault is about payments of its own."""
    with controlled_faults(stack) as control, ThreadPoolExecutor(1) as beside:

        def meet(fault: FaultFields) -> Outage:
            asked, to_confirm, made = (with_fresh_payment(load("authorization")["credit"]) for _ in range(3))
            site, net = made["site_identifier"], Decimal(made["net_payment_amount"])
            payer, returner = f"waits-out-{fault['mode']}", f"gets-back-after-{fault['mode']}"
            told: dict[Kind, Parameters] = {
                "confirm": confirmation_of(to_confirm, site_customer_identifier=payer),
                "reverse": reversal_of(paid(sender, made, returner)),
            }
            for message in (asked, *told.values()):
                control.post("fault", about(message) | fault)
            during = at_once(sender, {"authorize": asked, **told})
            for message in (asked, *told.values()):
                control.post("fault", about(message) | {"mode": "none"})
            after = {kind: sender.deliver(kind, message, "json") for kind, message in told.items()}
            return Outage(during, after, net, books.balance(site, payer), books.balance(site, returner))

        def repeat() -> Repeats:
            payment = with_fresh_payment(load("authorization")["credit"])
            told = confirmation_of(payment, site_customer_identifier="through-an-outage")
            # More failures than the attempts of one delivery.
            control.post("fault", about(told) | {"mode": "error500", "times": 40})
            until = sender.deliver_until_acknowledged("confirm", told, "json", minute=0.01, attempts=20)
            return Repeats(told, until)

        repeats = beside.submit(repeat)
        met = with_each_fault(meet)
        wait([repeats])
        yield Outages(met, repeats)


@of_each_fault
def test_without_dynamodb_who_asks_is_declined_in_words_and_who_tells_is_booked_once_later(
    outages: Outages, mode: str
) -> None:
    met = outages.met[mode].result()

    asked = met.during["authorize"]
    assert asked.accepted, asked.reason
    assert asked.fields is not None
    assert asked.fields["accept_payment"] == "no"
    for kind, after in met.after.items():
        assert met.during[kind].status == 503, kind
        assert json.loads(met.during[kind].body)["title"] == "Temporarily unavailable"
        assert after.accepted, (kind, after.reason)
    for kind, delivery in met.during.items():
        assert delivery.seconds < WITHIN_SECONDS, kind
    assert met.payer_has == met.to_pay
    assert met.returner_has == 0


def test_paynearmes_repeats_bring_a_confirmation_through_an_outage(outages: Outages, books: Books) -> None:
    repeats = outages.repeats.result()
    confirmation = repeats.confirmation

    assert repeats.deliveries[0].status == 503
    assert repeats.deliveries[-1].accepted
    site, customer = confirmation["site_identifier"], confirmation["site_customer_identifier"]
    assert books.balance(site, customer) == Decimal(confirmation["net_payment_amount"])


@dataclass(frozen=True)
class SingleFailure:
    """A payment, what came of asking and of telling, and how often each of these met the fault."""

    message: Parameters
    asked: Delivery
    told: Delivery
    strikes: list[int]


@pytest.fixture(scope="module")
def single_failures(
    warm: None, stack: Stack, sender: CallbackSender
) -> Iterator[dict[str, Future[SingleFailure]]]:
    with controlled_faults(stack) as control:

        def meet(fault: FaultFields) -> SingleFailure:
            payment = with_fresh_payment(load("authorization")["credit"])
            message = {**payment, "site_customer_identifier": f"unaware-of-{fault['mode']}"}
            strikes: list[int] = []

            def deliver(kind: Kind, parameters: Parameters) -> Delivery:
                control.post("fault", about(message) | fault | {"times": 1})
                delivery = sender.deliver(kind, parameters, "json")
                strikes.append(control.get("strikes")["dynamodb"][message["pnm_payment_identifier"]])
                return delivery

            asked = deliver("authorize", message)
            return SingleFailure(message, asked, deliver("confirm", confirmation_of(message)), strikes)

        yield with_each_fault(meet)


@of_each_fault
def test_one_failure_of_dynamodb_goes_unnoticed(
    single_failures: dict[str, Future[SingleFailure]], books: Books, mode: str
) -> None:
    met = single_failures[mode].result()

    assert met.strikes == [1, 1]
    assert met.asked.fields is not None
    assert met.asked.fields["accept_payment"] == "yes"
    assert met.told.accepted, met.told.reason
    site, customer = met.message["site_identifier"], met.message["site_customer_identifier"]
    payment = books.payment(site, met.message["pnm_payment_identifier"])
    assert payment is not None
    assert "anomalies" not in payment
    assert books.balance(site, customer) == Decimal(met.message["net_payment_amount"])


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
