"""Failures of DynamoDB and Secrets Manager: the deployed functions respond in time and lose no payment."""

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
from tests.e2e.conftest import MAX_RESPONSE_SECONDS, controlled_faults
from tests.support.payment_driver import authorize_and_confirm, deliver_concurrently

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
"""The number of concurrent invocations of a function: one for each fault, and one retried confirmation."""
FUNCTIONS: dict[Kind, str] = {
    "authorize": "AuthorizeFunction",
    "confirm": "ConfirmFunction",
    "reverse": "ReverseFunction",
}
for_each_fault = pytest.mark.parametrize("mode", [fault["mode"] for fault in FAULTS])


def run_for_each_fault[T](run_with_fault: Callable[[FaultFields], T]) -> dict[str, Future[T]]:
    """Run all faults at the same time, because most of the duration is waiting. Return the results by fault mode."""
    with ThreadPoolExecutor(len(FAULTS)) as threads:
        return {fault["mode"]: threads.submit(run_with_fault, fault) for fault in FAULTS}


def fault_target(message: Parameters) -> FaultFields:
    """Return the fault fields that select the DynamoDB requests of one payment."""
    return {"service": "dynamodb", "body_contains": message["pnm_payment_identifier"]}


@pytest.fixture(scope="module")
def warmed_up(stack: Stack, work_dir: Path) -> None:
    """Start ``CONCURRENCY`` processes of each callback function, with cached site keys."""
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
            # Each process is busy until the last has started.
            control.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
            with ThreadPoolExecutor(CONCURRENCY) as threads:
                assert all(threads.map(call, range(CONCURRENCY)))
        assert len(functions_running(work_dir / "processes.json", function)) >= CONCURRENCY


@dataclass(frozen=True)
class OutageResult:
    """The deliveries of an authorization, a confirmation and a reversal, during and after a fault."""

    deliveries_during: dict[Kind, Delivery]
    deliveries_after: dict[Kind, Delivery]
    expected_balance: Decimal
    confirmed_balance: Decimal
    reversed_balance: Decimal


@dataclass(frozen=True)
class RetriedConfirmation:
    """A confirmation that was retried until it was acknowledged, and its deliveries."""

    confirmation: Parameters
    deliveries: list[Delivery]


@dataclass(frozen=True)
class OutageResults:
    """The result of each fault by its mode, and of a retried confirmation at the same time."""

    by_mode: dict[str, Future[OutageResult]]
    retried_confirmation: Future[RetriedConfirmation]


@pytest.fixture(scope="module")
def outages(
    warmed_up: None, stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader
) -> Iterator[OutageResults]:
    """Run each fault with separate payments."""
    with controlled_faults(stack) as control, ThreadPoolExecutor(1) as executor:

        def run_with_fault(fault: FaultFields) -> OutageResult:
            authorization, accepted, confirmed = (
                with_new_identifier(load("authorization")["credit"]) for _ in range(3)
            )
            site, net = confirmed["site_identifier"], Decimal(confirmed["net_payment_amount"])
            confirmed_customer, reversed_customer = f"confirmed-{fault['mode']}", f"reversed-{fault['mode']}"
            messages: dict[Kind, Parameters] = {
                "confirm": build_confirmation(accepted, site_customer_identifier=confirmed_customer),
                "reverse": build_reversal(authorize_and_confirm(sender, confirmed, reversed_customer)),
            }
            for message in (authorization, *messages.values()):
                control.post("fault", fault_target(message) | fault)
            deliveries_during = deliver_concurrently(sender, {"authorize": authorization, **messages})
            for message in (authorization, *messages.values()):
                control.post("fault", fault_target(message) | {"mode": "none"})
            deliveries_after = {kind: sender.deliver(kind, message, "json") for kind, message in messages.items()}
            return OutageResult(
                deliveries_during,
                deliveries_after,
                net,
                ledger_reader.balance(site, confirmed_customer),
                ledger_reader.balance(site, reversed_customer),
            )

        def deliver_until_acknowledged() -> RetriedConfirmation:
            payment = with_new_identifier(load("authorization")["credit"])
            confirmation = build_confirmation(payment, site_customer_identifier="retried-during-outage")
            # The fault lasts longer than the attempts of one delivery.
            control.post("fault", fault_target(confirmation) | {"mode": "error500", "times": 40})
            deliveries = sender.deliver_until_acknowledged(
                "confirm", confirmation, "json", retry_interval=0.01, attempts=20
            )
            return RetriedConfirmation(confirmation, deliveries)

        retried_confirmation = executor.submit(deliver_until_acknowledged)
        results = run_for_each_fault(run_with_fault)
        wait([retried_confirmation])
        yield OutageResults(results, retried_confirmation)


@for_each_fault
def test_dynamodb_down_authorize_declines_confirm_retried(outages: OutageResults, mode: str) -> None:
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
        assert delivery.seconds < MAX_RESPONSE_SECONDS, kind
    assert result.confirmed_balance == result.expected_balance
    assert result.reversed_balance == 0


def test_confirmation_retried_through_outage_posted(outages: OutageResults, ledger_reader: LedgerReader) -> None:
    retried = outages.retried_confirmation.result()
    confirmation = retried.confirmation

    assert retried.deliveries[0].status == 503
    assert retried.deliveries[-1].accepted
    site, customer = confirmation["site_identifier"], confirmation["site_customer_identifier"]
    assert ledger_reader.balance(site, customer) == Decimal(confirmation["net_payment_amount"])


@dataclass(frozen=True)
class SingleFailureResult:
    """A payment, the deliveries of its authorization and confirmation, and the number of faults in each."""

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
            message = {**payment, "site_customer_identifier": f"single-failure-{fault['mode']}"}
            injected: list[int] = []

            def deliver(kind: Kind, parameters: Parameters) -> Delivery:
                control.post("fault", fault_target(message) | fault | {"times": 1})
                delivery = sender.deliver(kind, parameters, "json")
                injected.append(control.get("injections")["dynamodb"][message["pnm_payment_identifier"]])
                return delivery

            authorize_delivery = deliver("authorize", message)
            return SingleFailureResult(
                message, authorize_delivery, deliver("confirm", build_confirmation(message)), injected
            )

        yield run_for_each_fault(run_with_fault)


@for_each_fault
def test_dynamodb_single_failure_retried_without_anomaly(
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
def test_site_keys_unavailable_authorize_declines_confirm_503(
    replace_processes: Callable[[], None],
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: dict[str, Any],
) -> None:
    replace_processes()
    faults.post("fault", {"service": "secretsmanager", **fault})

    deliveries = deliver_concurrently(
        sender, {"authorize": authorization, "confirm": build_confirmation(authorization)}
    )
    authorized, confirmed = deliveries["authorize"], deliveries["confirm"]

    assert authorized.accepted, authorized.reason
    assert authorized.fields is not None
    assert authorized.fields["accept_payment"] == "no"
    assert confirmed.status == 503
    assert max(authorized.seconds, confirmed.seconds) < MAX_RESPONSE_SECONDS
    assert ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"]) is None


def test_authorization_invalid_dynamodb_down_returns_400(
    stack: Stack, sender: CallbackSender, faults: ControlClient, authorization: Parameters
) -> None:
    faults.post("fault", {"service": "dynamodb", "mode": "abort"})

    assert sender.deliver("authorize", {**authorization, "payment_amount": "x"}, "json").status == 400


@pytest.mark.usefixtures("warmed_up")
def test_dynamodb_requests_new_authorization_two_otherwise_one(
    sender: CallbackSender, faults: ControlClient, authorization: Parameters
) -> None:
    def calls(kind: Kind, message: Parameters) -> dict[str, int]:
        faults.delete("counts")
        assert sender.deliver(kind, message, "json").accepted
        counts: dict[str, int] = faults.get("counts")
        return {name: count for name, count in counts.items() if name.startswith("DynamoDB")}

    read_operation, write_operation = "DynamoDB_20120810.BatchGetItem", "DynamoDB_20120810.TransactWriteItems"
    other_message = with_new_identifier(authorization)
    assert calls("authorize", authorization) == {read_operation: 1, write_operation: 1}
    assert calls("authorize", authorization) == {read_operation: 1}
    assert calls("confirm", build_confirmation(authorization)) == {write_operation: 1}
    assert calls("confirm", build_confirmation(authorization)) == {write_operation: 1}
    assert calls("authorize", other_message) == {read_operation: 1, write_operation: 1}
    assert calls("confirm", build_confirmation(other_message, status="decline")) == {write_operation: 1}
