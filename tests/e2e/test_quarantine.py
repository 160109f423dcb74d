"""Authentic callbacks that cannot be processed, on the deployed stack: acknowledged, resolved once, without effects."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from operations.quarantine_client import QuarantineClient
from paynearme.quarantine.operator_request import ResolutionStatus
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import (
    TRANSPORTS,
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    signed,
    with_new_identifier,
)
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.test_run import IS_FULL

PUSH = {"payment_type": "push-debit", "due_to_recipient_amount": "60.00", "due_to_recipient_currency": "USD"}
NO_REVERSAL = dict.fromkeys((*(f"reverse_{name}" for name in ("amount", "type", "code", "reason")), "status"))
UNPROCESSABLE: Mapping[str, tuple[Kind, Kind, Mapping[str, str | None], str]] = {
    "push confirmation": ("confirm", "confirm", PUSH, "push_callback"),
    "push authorization": ("authorize", "authorize", PUSH | {"payment_type": "pin4"}, "push_callback"),
    "unknown status": ("confirm", "confirm", {"status": "void"}, "unknown_status"),
    "other currency": ("confirm", "confirm", {"payment_currency": "CAD"}, "currency_not_supported"),
    "malformed amount": ("confirm", "confirm", {"payment_amount": "4.999"}, "invalid_parameters"),
    "reversal without its names": ("reverse", "reverse", NO_REVERSAL, "invalid_parameters"),
    "reversal at the confirmation": ("confirm", "reverse", {}, "wrong_endpoint"),
    "confirmation at the reversal": ("reverse", "confirm", {}, "wrong_endpoint"),
    "stale authorization": ("authorize", "authorize", {"timestamp": "1700000000"}, "stale_timestamp"),
    "schedule": ("authorize", "authorize", {"pnm_payment_identifier": None}, "unsupported_callback"),
}
"""The endpoint, the kind of the message, its changes, and the reason."""


@pytest.fixture(scope="module")
def quarantine(stack: Stack) -> QuarantineClient:
    [described] = stack.client("cloudformation").describe_stacks(StackName=stack.stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return QuarantineClient(stack.client("lambda"), outputs["QuarantineFunctionName"], "arn:aws:iam::1:user/operator")


def message_of(kind: Kind, authorization: Parameters, **changes: str | None) -> Parameters:
    """Return a message about the payment, with changes."""
    confirmation = build_confirmation(authorization)
    message = {"authorize": authorization, "confirm": confirmation, "reverse": build_reversal(confirmation)}[kind]
    changed = {name: changes.get(name, value) for name, value in (message | changes).items()}
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", UNPROCESSABLE)
def test_unprocessable_callback_acknowledged_without_effect(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    quarantine: QuarantineClient,
    authorization: Parameters,
    name: str,
    transport: Transport,
) -> None:
    endpoint, kind, changes, reason = UNPROCESSABLE[name]
    customer = f"{name} by {transport}".replace(" ", "-")
    message = message_of(kind, authorization, **{**changes, "site_customer_identifier": customer})
    secret = stack.sites[str(message["site_identifier"])]["secret"]
    signed_at = changes.get("timestamp")
    message = signed(message, secret, timestamp=int(signed_at) if signed_at else None)

    delivery = sender.deliver(endpoint, message, transport)

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields.get("accept_payment") == ("no" if endpoint == "authorize" else None)
    [callback] = [item for item in quarantine.list() if item.parameters.get("site_customer_identifier") == customer]
    assert callback.reason == reason
    assert not [item for item in ledger_reader.scan() if item["pk"].endswith(f"#{customer}")]
    assert quarantine.discard(callback.identifier, "test").status is ResolutionStatus.DISCARDED


def test_quarantined_payment_posted_once_around_its_replay(
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    backend: BackendClient,
    quarantine: QuarantineClient,
    received_events: PaymentEventRecorder,
    authorization: Parameters,
) -> None:
    site, payment = str(authorization["site_identifier"]), str(authorization["pnm_payment_identifier"])
    confirmation = build_confirmation({**authorization, "site_customer_identifier": "quarantined"})
    net = Decimal(str(confirmation["net_payment_amount"]))
    path = f"/payments/{site}/{payment}"
    # The portal's field of the reversal has the confirmation's address, and the other way round.
    assert all(sender.deliver("reverse", confirmation, "json").accepted for _ in range(2))
    assert ledger_reader.balance(site, "quarantined") == 0
    [shown] = backend.get(path).content["quarantined"]
    assert (shown["reason"], shown["kind"]) == ("wrong_endpoint", "reversal")
    [callback] = [item for item in quarantine.list() if item.parameters["pnm_payment_identifier"] == payment]
    assert callback.received_count == 2

    assert sender.deliver("confirm", confirmation, "form").accepted
    assert quarantine.replay(callback.identifier, "test", {}, dry_run=False).detail == "duplicate"
    assert sender.deliver("confirm", confirmation, "query").accepted

    reversal = build_reversal(confirmation, reverse_amount="100.00")
    assert sender.deliver("confirm", reversal, "json").accepted
    [callback] = [item for item in quarantine.list() if item.parameters["pnm_payment_identifier"] == payment]
    assert quarantine.replay(callback.identifier, "test", {}, dry_run=False).status is ResolutionStatus.REPLAYED
    assert all(sender.deliver("reverse", reversal, transport).accepted for transport in TRANSPORTS)

    assert ledger_reader.balance(site, "quarantined") == net - 100
    assert backend.get(path).content["quarantined"] == []
    keys = {"PaymentConfirmed": 1, "PaymentReversed": 1, "CallbackQuarantined": 2}
    received_events.wait_until(lambda recorder: recorder.contains_all((payment, key) for key in keys))
    counts = received_events.count_keys([payment])
    assert {key: counts[payment, key] for key in keys} == keys


def test_changed_and_repeated_messages_have_no_effect(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    quarantine: QuarantineClient,
    authorization: Parameters,
) -> None:
    site, customer = str(authorization["site_identifier"]), "attacked"
    secret = stack.sites[site]["secret"]
    own = {**authorization, "site_customer_identifier": customer}
    messages: dict[Kind, dict[str, str]] = {
        "authorize": signed(own, secret),
        "confirm": signed(build_confirmation(own), secret),
    }
    stale = signed(with_new_identifier(own), secret, timestamp=1_700_000_000)
    for kind, message in messages.items():
        assert sender.deliver(kind, message, "json").accepted
    item_count, balance = len(ledger_reader.scan()), ledger_reader.balance(site, customer)

    for kind, message in messages.items():
        for changed in changed_boundaries(message):
            fields = sender.deliver(kind, changed, "json").fields or {}
            assert fields.get("accept_payment") != "yes" or is_same(changed, message)
        for _ in range(3):
            assert sender.deliver(kind, message, "form").accepted
    for _ in range(3):
        declined = sender.deliver("authorize", stale, "json").fields
        assert declined is not None
        assert declined["accept_payment"] == "no"

    payment = ledger_reader.payment(site, str(own["pnm_payment_identifier"]))
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
    assert ledger_reader.balance(site, customer) == balance
    # Each message is at most one item and one count at its payment, however often and however changed it arrives.
    assert len(ledger_reader.scan()) <= item_count + 2 * (len(messages) + 1)
    for callback in quarantine.list():
        quarantine.discard(callback.identifier, "test")


def changed_boundaries(message: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the message with each boundary moved by one character, and with each value in its name.

    The short run moves every fourth boundary.
    """
    names = sorted(name for name in message if name != "signature")[:: 1 if IS_FULL else 4]
    changed = []
    for name in names:
        rest = {other: value for other, value in message.items() if other != name}
        value = message[name]
        moved = [(name + value[:1], value[1:]), (name[:-1], name[-1] + value), (name + value, "")]
        changed += [{**rest, new_name: new_value} for new_name, new_value in moved if new_name not in rest]
    return changed


def is_same(changed: Mapping[str, str], message: Mapping[str, str]) -> bool:
    """Return whether two messages agree in all parameters that decide about money."""
    decisive = ("payment_amount", "payment_currency", "payment_type", "site_customer_identifier")
    return all(changed.get(name) == message.get(name) for name in decisive)
