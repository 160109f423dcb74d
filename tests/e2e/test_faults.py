"""Failures of AWS services: the deployed functions respond with their own fallback and lose no payment.

A request that hangs ends only when the test removes the fault. Therefore a response proves the function's time limit.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal, with_new_identifier
from sandbox.stack.sites import OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support.function_processes import publish
from tests.support.payment_driver import authorize_and_confirm, clear_tokens

type FaultFields = dict[str, Any]


def deliver_concurrently(sender: CallbackSender, messages: Mapping[Kind, Parameters]) -> dict[Kind, Delivery]:
    """Send one message of each kind at the same time. Return the deliveries by kind."""
    with ThreadPoolExecutor(len(messages)) as threads:
        deliveries = threads.map(lambda kind: sender.deliver(kind, messages[kind], "json"), messages)
        return dict(zip(messages, deliveries, strict=True))


def faults_of(*short: FaultFields, full: tuple[FaultFields, ...] = ()) -> pytest.MarkDecorator:
    """Parametrize a test with faults. Those of ``full`` are part of the long run only."""
    parameters = [*short, *(pytest.param(fault, marks=pytest.mark.full) for fault in full)]
    return pytest.mark.parametrize("fault", parameters, ids=lambda fault: "-".join(map(str, fault.values())))


def assert_declined(delivery: Delivery) -> None:
    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields["accept_payment"] == "no"
    assert delivery.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason


@faults_of(
    {"mode": "error500"},
    {"mode": "hang"},
    full=({"mode": "abort"}, {"mode": "throttle"}, {"mode": "slow", "seconds": 30}, {"mode": "lost"}),
)
def test_dynamodb_down_authorize_declines_others_retried(
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: FaultFields,
) -> None:
    confirmed, reversed_customer = f"confirmed-{fault['mode']}", f"reversed-{fault['mode']}"
    site, net = authorization["site_identifier"], Decimal(authorization["net_payment_amount"])
    reversal = build_reversal(authorize_and_confirm(sender, with_new_identifier(authorization), reversed_customer))
    confirmation = build_confirmation(with_new_identifier(authorization), site_customer_identifier=confirmed)
    messages: dict[Kind, Parameters] = {"authorize": authorization, "confirm": confirmation, "reverse": reversal}

    faults.post("fault", {"service": "dynamodb", **fault})
    during = deliver_concurrently(sender, messages)
    faults.post("reset")
    after: dict[Kind, Delivery] = {
        kind: sender.deliver(kind, messages[kind], "json") for kind in ("confirm", "reverse")
    }

    assert during["authorize"].accepted, during["authorize"].reason
    assert (during["authorize"].fields or {})["accept_payment"] == "no"
    for kind, delivery in after.items():
        assert during[kind].status == 503, kind
        assert json.loads(during[kind].body)["title"] == "Temporarily unavailable"
        assert delivery.accepted, (kind, delivery.reason)
    assert ledger_reader.balance(site, confirmed) == net
    assert ledger_reader.balance(site, reversed_customer) == 0


@faults_of({"mode": "lost"}, full=({"mode": "abort"}, {"mode": "throttle"}, {"mode": "error500"}, {"mode": "hang"}))
def test_dynamodb_single_failure_retried_without_anomaly(
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: FaultFields,
) -> None:
    customer, site = f"single-failure-{fault['mode']}", authorization["site_identifier"]
    message = {**authorization, "site_customer_identifier": customer}
    identifier = message["pnm_payment_identifier"]
    messages: dict[Kind, Parameters] = {"authorize": message, "confirm": build_confirmation(message)}
    for kind, content in messages.items():
        faults.post("fault", {"service": "dynamodb", "body_contains": identifier, **fault, "times": 1})
        delivery = sender.deliver(kind, content, "json")

        assert faults.get("injections")["dynamodb"][identifier] == 1
        assert delivery.accepted, delivery.reason
    payment = ledger_reader.payment(site, identifier)
    assert payment is not None
    assert payment["decision"] == "accept"
    assert "anomalies" not in payment
    assert ledger_reader.balance(site, customer) == Decimal(message["net_payment_amount"])


@faults_of({"mode": "abort"}, full=({"mode": "throttle"}, {"mode": "hang"}))
def test_site_keys_unavailable_authorize_declines_confirm_503(
    stack: Stack,
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: FaultFields,
) -> None:
    publish(stack, "Authorize", "Confirm")
    faults.post("fault", {"service": "secretsmanager", **fault})
    messages: dict[Kind, Parameters] = {"authorize": authorization, "confirm": build_confirmation(authorization)}

    deliveries = deliver_concurrently(sender, messages)

    assert_declined(deliveries["authorize"])
    assert deliveries["confirm"].status == 503
    assert ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"]) is None


@faults_of({"mode": "error500"}, full=({"mode": "hang"}, {"mode": "lost"}))
def test_policy_unavailable_authorize_declines_but_confirms(
    stack: Stack,
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: FaultFields,
) -> None:
    publish(stack, "Authorize", "Confirm")
    faults.post("fault", {"service": "appconfigdata", **fault})
    messages: dict[Kind, Parameters] = {"authorize": authorization, "confirm": build_confirmation(authorization)}

    deliveries = deliver_concurrently(sender, messages)

    assert_declined(deliveries["authorize"])
    assert deliveries["confirm"].accepted
    payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["outcome"] == "payment"
    assert payment["anomalies"] == {"spending_not_counted"}


def test_token_store_unavailable_smart_token_returns_503(
    stack: Stack, backend: BackendClient, paynearme: ControlClient, faults: ControlClient
) -> None:
    request = {"site_identifier": OAUTH_SITE, "pnm_order_identifier": "84488215678"}
    clear_tokens(stack, paynearme)
    publish(stack, "GetSmartToken")
    faults.post("fault", {"service": "ssm", "mode": "error500"})

    assert backend.post("/smart-tokens", request).status == 503
    faults.post("reset")
    assert backend.post("/smart-tokens", request).status == 200


def test_dynamodb_requests_new_authorization_two_otherwise_one(
    sender: CallbackSender, faults: ControlClient, authorization: Parameters
) -> None:
    def calls(kind: Kind, message: Parameters) -> dict[str, int]:
        faults.delete("counts")
        assert sender.deliver(kind, message, "json").accepted
        counts: dict[str, int] = faults.get("counts")
        return {name.rpartition(".")[2]: count for name, count in counts.items() if name.startswith("DynamoDB")}

    assert calls("authorize", authorization) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert calls("authorize", authorization) == {"BatchGetItem": 1}
    for _ in range(2):
        assert calls("confirm", build_confirmation(authorization)) == {"TransactWriteItems": 1}
