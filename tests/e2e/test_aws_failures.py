"""DynamoDB and Secrets Manager failing behind the deployed functions: an answer in time, nothing lost."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal, with_new_identifier
from sandbox.stack.processes import functions_running
from sandbox.stack.stack import Stack
from tests.e2e.conftest import controlled_faults
from tests.support.payment_driver import authorize_and_confirm, deliver_concurrently

WITHIN_SECONDS = 8
type FaultFields = dict[str, Any]

FAULTS: list[FaultFields] = [
    {"mode": "abort"},
    {"mode": "throttle"},
    {"mode": "error500"},
    {"mode": "hang"},
    {"mode": "slow", "seconds": 30},
    {"mode": "lost"},
]
CONCURRENCY = len(FAULTS) + 1
"""How many are called for at once: one for each fault, and a confirmation that is repeated."""
FUNCTIONS: dict[Kind, str] = {
    "authorize": "AuthorizeFunction",
    "confirm": "ConfirmFunction",
    "reverse": "ReverseFunction",
}
for_each_fault = pytest.mark.parametrize("mode", [fault["mode"] for fault in FAULTS])


def run_for_each_fault[T](run_with_fault: Callable[[FaultFields], T]) -> dict[str, Future[T]]:
    """Return what comes of each fault, by its mode: all are met at the same time, because most is waiting."""
    with ThreadPoolExecutor(len(FAULTS)) as threads:
        return {fault["mode"]: threads.submit(run_with_fault, fault) for fault in FAULTS}


def for_message(message: Parameters) -> FaultFields:
    """Return what a fault strikes that is DynamoDB's, and about one payment alone."""
    return {"service": "dynamodb", "body_contains": message["pnm_payment_identifier"]}


@pytest.fixture(scope="module")
def warmed_up(stack: Stack, work_dir: Path) -> None:
    """Have as many processes of the three functions as are called at once, which hold the sites' keys."""
    long_timeout_sender = CallbackSender(stack.callback_url, stack.sites, timeout=60)
    for kind, function in FUNCTIONS.items():

        def call(_: int, kind: Kind = kind) -> bool:
            payment = with_new_identifier(load("authorization")["credit"])
            confirmation = build_confirmation({**payment, "site_customer_identifier": "warms-up"})
            messages: dict[Kind, Parameters] = {
                "authorize": payment,
                "confirm": confirmation,
                "reverse": build_reversal(confirmation),
            }
            return long_timeout_sender.deliver(kind, messages[kind], "json").accepted

        with controlled_faults(stack) as control:
            # So all are busy until the last has started.
            control.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
            with ThreadPoolExecutor(CONCURRENCY) as threads:
                assert all(threads.map(call, range(CONCURRENCY)))
        assert len(functions_running(work_dir / "processes.json", function)) >= CONCURRENCY


@dataclass(frozen=True)
class OutageResult:
    """What came of an authorization, a confirmation and a reversal, while DynamoDB failed and afterwards."""

    deliveries_during: dict[Kind, Delivery]
    deliveries_after: dict[Kind, Delivery]
    expected_balance: Decimal
    payer_balance: Decimal
    returner_balance: Decimal


@dataclass(frozen=True)
class RetriedConfirmation:
    """A confirmation, and what came of it until it was acknowledged, which was after an outage."""

    confirmation: Parameters
    deliveries: list[Delivery]


@dataclass(frozen=True)
class OutageResults:
    """What came of each fault, by its mode, and of PayNearMe's repeats beside them."""

    by_mode: dict[str, Future[OutageResult]]
    retried_confirmation: Future[RetriedConfirmation]


@pytest.fixture(scope="module")
def outages(
    warmed_up: None, stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader
) -> Iterator[OutageResults]:
    """Each fault is about payments of its own."""
    with controlled_faults(stack) as control, ThreadPoolExecutor(1) as executor:

        def run_with_fault(fault: FaultFields) -> OutageResult:
            authorization, accepted, confirmed = (
                with_new_identifier(load("authorization")["credit"]) for _ in range(3)
            )
            site, net = confirmed["site_identifier"], Decimal(confirmed["net_payment_amount"])
            payer, returner = f"waits-out-{fault['mode']}", f"gets-back-after-{fault['mode']}"
            messages: dict[Kind, Parameters] = {
                "confirm": build_confirmation(accepted, site_customer_identifier=payer),
                "reverse": build_reversal(authorize_and_confirm(sender, confirmed, returner)),
            }
            for message in (authorization, *messages.values()):
                control.post("fault", for_message(message) | fault)
            deliveries_during = deliver_concurrently(sender, {"authorize": authorization, **messages})
            for message in (authorization, *messages.values()):
                control.post("fault", for_message(message) | {"mode": "none"})
            deliveries_after = {kind: sender.deliver(kind, message, "json") for kind, message in messages.items()}
            return OutageResult(
                deliveries_during,
                deliveries_after,
                net,
                ledger_reader.balance(site, payer),
                ledger_reader.balance(site, returner),
            )

        def deliver_until_acknowledged() -> RetriedConfirmation:
            payment = with_new_identifier(load("authorization")["credit"])
            confirmation = build_confirmation(payment, site_customer_identifier="through-an-outage")
            # More failures than the attempts of one delivery.
            control.post("fault", for_message(confirmation) | {"mode": "error500", "times": 40})
            deliveries = sender.deliver_until_acknowledged(
                "confirm", confirmation, "json", retry_interval=0.01, attempts=20
            )
            return RetriedConfirmation(confirmation, deliveries)

        retried_confirmation = executor.submit(deliver_until_acknowledged)
        results = run_for_each_fault(run_with_fault)
        wait([retried_confirmation])
        yield OutageResults(results, retried_confirmation)


@for_each_fault
def test_without_dynamodb_who_asks_is_declined_in_words_and_who_tells_is_booked_once_later(
    outages: OutageResults, mode: str
) -> None:
    result = outages.by_mode[mode].result()

    authorized = result.deliveries_during["authorize"]
    assert authorized.accepted, authorized.reason
    assert authorized.fields is not None
    assert authorized.fields["accept_payment"] == "no"
    for kind, delivery_after in result.deliveries_after.items():
        assert result.deliveries_during[kind].status == 503, kind
        assert json.loads(result.deliveries_during[kind].body)["title"] == "Temporarily unavailable"
        assert delivery_after.accepted, (kind, delivery_after.reason)
    for kind, delivery in result.deliveries_during.items():
        assert delivery.seconds < WITHIN_SECONDS, kind
    assert result.payer_balance == result.expected_balance
    assert result.returner_balance == 0


def test_paynearmes_repeats_bring_a_confirmation_through_an_outage(
    outages: OutageResults, ledger_reader: LedgerReader
) -> None:
    retried = outages.retried_confirmation.result()
    confirmation = retried.confirmation

    assert retried.deliveries[0].status == 503
    assert retried.deliveries[-1].accepted
    site, customer = confirmation["site_identifier"], confirmation["site_customer_identifier"]
    assert ledger_reader.balance(site, customer) == Decimal(confirmation["net_payment_amount"])


@dataclass(frozen=True)
class SingleFailureResult:
    """A payment, what came of asking and of telling, and how often each of these met the fault."""

    message: Parameters
    authorize_delivery: Delivery
    confirm_delivery: Delivery
    injected: list[int]


@pytest.fixture(scope="module")
def single_failures(
    warmed_up: None, stack: Stack, sender: CallbackSender
) -> Iterator[dict[str, Future[SingleFailureResult]]]:
    with controlled_faults(stack) as control:

        def run_with_fault(fault: FaultFields) -> SingleFailureResult:
            payment = with_new_identifier(load("authorization")["credit"])
            message = {**payment, "site_customer_identifier": f"unaware-of-{fault['mode']}"}
            injected: list[int] = []

            def deliver(kind: Kind, parameters: Parameters) -> Delivery:
                control.post("fault", for_message(message) | fault | {"times": 1})
                delivery = sender.deliver(kind, parameters, "json")
                injected.append(control.get("injections")["dynamodb"][message["pnm_payment_identifier"]])
                return delivery

            authorize_delivery = deliver("authorize", message)
            return SingleFailureResult(
                message, authorize_delivery, deliver("confirm", build_confirmation(message)), injected
            )

        yield run_for_each_fault(run_with_fault)


@for_each_fault
def test_one_failure_of_dynamodb_goes_unnoticed(
    single_failures: dict[str, Future[SingleFailureResult]], ledger_reader: LedgerReader, mode: str
) -> None:
    result = single_failures[mode].result()

    assert result.injected == [1, 1]
    assert result.authorize_delivery.fields is not None
    assert result.authorize_delivery.fields["accept_payment"] == "yes"
    assert result.confirm_delivery.accepted, result.confirm_delivery.reason
    site, customer = result.message["site_identifier"], result.message["site_customer_identifier"]
    payment = ledger_reader.payment(site, result.message["pnm_payment_identifier"])
    assert payment is not None
    assert "anomalies" not in payment
    assert ledger_reader.balance(site, customer) == Decimal(result.message["net_payment_amount"])


@pytest.mark.parametrize("fault", [{"mode": "abort"}, {"mode": "throttle"}, {"mode": "hang"}], ids=str)
def test_without_the_sites_keys_authorizations_are_declined_and_confirmations_refused(
    kill_functions: Callable[[], None],
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: dict[str, Any],
) -> None:
    kill_functions()
    faults.post("fault", {"service": "secretsmanager", **fault})

    deliveries = deliver_concurrently(
        sender, {"authorize": authorization, "confirm": build_confirmation(authorization)}
    )
    authorized, confirmed = deliveries["authorize"], deliveries["confirm"]

    assert authorized.accepted, authorized.reason
    assert authorized.fields is not None
    assert authorized.fields["accept_payment"] == "no"
    assert confirmed.status == 503
    assert max(authorized.seconds, confirmed.seconds) < WITHIN_SECONDS
    assert ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"]) is None


def test_a_bad_message_is_a_bad_message_even_when_everything_fails(
    stack: Stack, sender: CallbackSender, faults: ControlClient, authorization: Parameters
) -> None:
    faults.post("fault", {"service": "dynamodb", "mode": "abort"})

    assert sender.deliver("authorize", {**authorization, "payment_amount": "x"}, "json").status == 400


@pytest.mark.usefixtures("warmed_up")
def test_an_authorization_costs_two_round_trips_and_everything_else_about_it_one(
    sender: CallbackSender, faults: ControlClient, authorization: Parameters
) -> None:
    def calls(kind: Kind, message: Parameters) -> dict[str, int]:
        faults.delete("counts")
        assert sender.deliver(kind, message, "json").accepted
        counts: dict[str, int] = faults.get("counts")
        return {name: number for name, number in counts.items() if name.startswith("DynamoDB")}

    read_operation, write_operation = "DynamoDB_20120810.BatchGetItem", "DynamoDB_20120810.TransactWriteItems"
    other_message = with_new_identifier(authorization)
    assert calls("authorize", authorization) == {read_operation: 1, write_operation: 1}
    assert calls("authorize", authorization) == {read_operation: 1}
    assert calls("confirm", build_confirmation(authorization)) == {write_operation: 1}
    assert calls("confirm", build_confirmation(authorization)) == {write_operation: 1}
    assert calls("authorize", other_message) == {read_operation: 1, write_operation: 1}
    assert calls("confirm", build_confirmation(other_message, status="decline")) == {write_operation: 1}
