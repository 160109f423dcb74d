"""Quarantine messages, and replay or discard them, as tasks that are compared with the model."""

from functools import partial
from types import SimpleNamespace
from typing import Any

from paynearme.ledger import schema
from paynearme.ledger.event_mapping import change_events
from paynearme.ledger.quarantine import (
    DISCARDED,
    MAX_STORED_PER_PAYMENT,
    UNRESOLVED,
    QuarantineEffect,
    QuarantineResult,
    UnprocessedCallback,
    quarantine,
)
from paynearme.protocol.callbacks import Authorization, fingerprint
from paynearme.protocol.quarantine import QuarantineReason
from paynearme.quarantine.operator_actions import Quarantine
from paynearme.quarantine.operator_request import DiscardRequest, ReplayRequest, ResolutionStatus
from tests.simulation.engine import PARSED_POLICIES, Engine
from tests.simulation.model import Payment
from tests.simulation.scheduler import Task
from tests.simulation.store import Change
from tests.simulation.traffic import POLICIES, Delivery, Message
from tests.support.callback_fixtures import SITE


def start_quarantine(engine: Engine, message: Message) -> Task:
    """Start an invocation that cannot process a message."""
    now, deadline = engine.invocation_time(), engine.deadline(6.5)
    kind, reason = message.content.callback_kind, QuarantineReason.UNEXPECTED_ERROR
    callback = UnprocessedCallback(SITE, kind, reason, message.parameters)
    callback_id = fingerprint(message.parameters)

    def commit(change: Change) -> None:
        if schema.is_quarantined_callback(change.new):
            assert bool(change.old) is (callback_id in engine.model.quarantined), "a callback with two items"
            if change.old.get("resolution") == DISCARDED and change.new["resolution"] == UNRESOLVED:
                engine.model.resolved.remove(callback_id)
            engine.model.quarantined.setdefault(callback_id, message)
            engine.expect_quarantine_event(change)
        elif not message.content.test:
            payment = _payment(engine, message, change)
            if change.new.get("quarantined_callbacks") != change.old.get("quarantined_callbacks"):
                payment.quarantined.add(callback_id)

    def finish() -> None:
        result: QuarantineResult = task.result
        message.acknowledged = True
        if result.effect is QuarantineEffect.COUNTED:
            payment = engine.model.payments[message.payment_id]
            is_full = len(payment.quarantined) == MAX_STORED_PER_PAYMENT
            assert task.is_disturbed or message.content.test or is_full, "a callback is only counted"
        else:
            assert callback_id in engine.model.quarantined, "an acknowledged callback is not stored"

    name = f"quarantine {message.payment_id}"
    process = partial(quarantine, engine.table, callback, now, deadline)
    task = Task(name, process, commit=commit, finish=finish)
    return engine.scheduler.start(task)


def start_resolution(engine: Engine, callback_id: str, *, discard: bool) -> Task:
    """Start an operator's replay or discard of a quarantined message."""
    message, now, deadline = engine.model.quarantined[callback_id], engine.invocation_time(), engine.deadline(45)
    delivery = Delivery(message, POLICIES[engine.policy], now)
    policy = PARSED_POLICIES[engine.policy]
    policies: Any = SimpleNamespace(get_if_available=lambda *_: policy)
    request_type = DiscardRequest if discard else ReplayRequest
    identifier = schema.quarantine_identifier(SITE, callback_id)
    request = request_type(identifier=identifier, operator="operator", why="simulated")

    def commit(change: Change) -> None:
        if schema.is_quarantined_callback(change.new):
            assert callback_id not in engine.model.resolved, "a callback is resolved twice"
            engine.model.resolved.add(callback_id)
        elif change.key[1] == "PAYMENT" and not message.content.test:
            if change.new.get("quarantined_callbacks") != change.old.get("quarantined_callbacks"):
                _payment(engine, message, change).quarantined.remove(callback_id)
            else:
                assert not discard, "a discard changed a payment"
                event_type, _ = engine.model.commit(delivery, change.old, change.new)
                engine.expect_events(change, event_type)

    def finish() -> None:
        is_rejected = isinstance(message.content, Authorization) and not discard
        status = task.result.status
        if status is ResolutionStatus.REJECTED:
            assert is_rejected, task.result.detail
        else:
            assert callback_id in engine.model.resolved, f"{status} without a resolution"
        if status is ResolutionStatus.REPLAYED and not message.content.test:
            assert engine.model.is_durable(message), "a replayed message is not durable"

    process = partial(Quarantine(engine.table, policies, "1").handle, request, now, deadline)
    task = Task(f"{request.action} {message.payment_id}", process, commit=commit, finish=finish)
    return engine.scheduler.start(task)


def _payment(engine: Engine, message: Message, change: Change) -> Payment:
    """Return the payment whose item contains the callback, and check that nothing else changes."""
    assert not change_events(change.old, change.new, engine.invocation_time()), "the quarantine caused an event"
    own = (schema.QUARANTINED_PREFIX, "quarantine_")
    unchanged = [{n: v for n, v in image.items() if not n.startswith(own)} for image in (change.old, change.new)]
    assert not change.old or unchanged[0] == unchanged[1], "the quarantine changed a payment"
    return engine.model.payments[message.payment_id]
