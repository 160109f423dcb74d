"""Map the change of a payment's or a quarantined callback's item to events.

The identifier of an event is derived from its content, so that a duplicate has the same identifier.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from paynearme.ledger import schema
from paynearme.ledger.quarantine import UNRESOLVED
from paynearme.platform.dynamodb import Item
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.payment_events import (
    AuthorizationDeclined,
    CallbackQuarantined,
    Event,
    PaymentAnomaly,
    PaymentAuthorized,
    PaymentConfirmed,
    PaymentEvent,
    PaymentFailed,
    PaymentReversed,
    PaymentUnconfirmed,
    ReservationReleased,
)
from paynearme.protocol.reversals import ReversalKind

_EVENT_NAMESPACE = uuid.UUID("5d6c2f6e-58b6-4f0a-9a0e-0d2f8f6f7a51")
_MAX_EVENTS_PER_CHANGE = 100
_IDENTIFIERS = [name for name in PaymentEvent.model_fields if name.endswith("_identifier")]

type _EventDraft = tuple[type[PaymentEvent], str, datetime, Mapping[str, Any]]
"""Type, discriminator (unique for the payment and type), ``occurred_at``, and fields of an event."""


def change_events(old: Item, new: Item, changed_at: datetime) -> Sequence[Event]:
    """Return the events for the change of an item from ``old`` to ``new``, in order.

    An item that does not exist is empty. ``changed_at`` is the time of the change in the table. Only payments and
    quarantined callbacks that are no test produce events. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for an
    item that the ledger did not write.
    """
    # The event source mapping filters the records also, but a redriven record bypasses it.
    if new and schema.is_quarantined_callback(new):
        is_opened = new["resolution"] == UNRESOLVED != old.get("resolution")
        return [_quarantined(new)] if is_opened and not new["test"] else []
    # A payment's item without ``revision`` contains only quarantined callbacks.
    if not new or not schema.is_payment(new) or "revision" not in new or new["test"]:
        return []
    return _payment_events(old, new, changed_at)


def _quarantined(item: Item) -> CallbackQuarantined:
    parts = (item["site_identifier"], CallbackQuarantined.detail_type, item["fingerprint"], item["received_at"])
    return CallbackQuarantined(
        event_identifier=str(uuid.uuid5(_EVENT_NAMESPACE, "/".join(parts))),
        occurred_at=_parse_timestamp(item["received_at"]),
        site_identifier=item["site_identifier"],
        kind=item["kind"],
        reason=item["reason"],
        quarantine_identifier=schema.quarantine_identifier(item["site_identifier"], item["fingerprint"]),
        pnm_payment_identifier=item.get("pnm_payment_identifier"),
        pnm_order_identifier=item.get("pnm_order_identifier"),
    )


def _payment_events(old: Item, new: Item, changed_at: datetime) -> list[PaymentEvent]:
    drafts = [*_decision(old, new), *_outcome(old, new), *_reversals(old, new), *_unconfirmed(old, new)]
    # An item has no timestamps of anomalies, so the time of the event that caused them is used.
    drafts += _anomalies(old, new, drafts[0][2] if drafts else changed_at)
    identifiers = {name: new[name] for name in _IDENTIFIERS if name in new}
    identifiers["site_customer_identifier"] = schema.recorded_customer(new)
    base_sequence = int(new["revision"]) * _MAX_EVENTS_PER_CHANGE
    return [
        model.model_validate(
            identifiers
            | dict(details)
            | {
                "event_identifier": _event_id(new, model.detail_type, discriminator),
                "occurred_at": occurred_at,
                "sequence": base_sequence + index,
            }
        )
        for index, (model, discriminator, occurred_at, details) in enumerate(drafts)
    ]


def _event_id(item: Item, detail_type: str, discriminator: str) -> str:
    parts = (item["site_identifier"], item["pnm_payment_identifier"], detail_type, discriminator)
    return str(uuid.uuid5(_EVENT_NAMESPACE, "/".join(parts)))


def _is_new(name: str, old: Item, new: Item) -> bool:
    return name in new and new[name] != old.get(name)


def _authorized_amount(item: Item) -> Item:
    return {"payment_amount": item["authorized_amount"], "payment_currency": item["authorized_currency"]}


def _decision(old: Item, new: Item) -> Iterator[_EventDraft]:
    if not _is_new("decided_at", old, new):
        return
    model = PaymentAuthorized if new["decision"] == "accept" else AuthorizationDeclined
    details = _authorized_amount(new) | {"reason": new["reason"], "policy_version": new["policy_version"]}
    details["payment_type"] = new.get("payment_type")
    if "authorized_customer" in new:
        # An earlier outcome can have another customer.
        details["site_customer_identifier"] = new["authorized_customer"]
    # A released payment can have a second decision, so the time of the decision is the discriminator.
    yield model, new["decided_at"], _parse_timestamp(new["decided_at"]), details


def _outcome(old: Item, new: Item) -> Iterator[_EventDraft]:
    if not _is_new("outcome", old, new):
        return
    paid = new["outcome"] == Outcome.PAYMENT
    details: Item = {
        "payment_amount": new.get("confirmed_amount"),
        "payment_currency": new.get("confirmed_currency"),
        "payment_type": new.get("payment_type"),
    }
    if paid:
        net = new["confirmed_net"]
        has_customer = "confirmed_customer" in new
        details |= {
            "net_payment_amount": net,
            "credited_amount": net - new.get("debited_amount", Decimal(0)) if has_customer else Decimal(0),
            "authorized": new.get("decision") == "accept",
            "standin": new["standin"],
        }
    # A payment has at most one event of each type.
    yield PaymentConfirmed if paid else PaymentFailed, "", _parse_timestamp(new["confirmed_at"]), details


def _reversals(old: Item, new: Item) -> Iterator[_EventDraft]:
    for name in sorted(new.keys() - old.keys()):
        if not (name.startswith(schema.REVERSAL_PREFIX) and isinstance(new[name], dict)):
            continue
        reversal = new[name]
        if reversal["kind"] == ReversalKind.UNDONE:
            # No money was returned. The anomaly has an event.
            continue
        details = {
            "reversal_kind": reversal["kind"],
            "reverse_type": reversal.get("type"),
            "reverse_code": reversal.get("code"),
            "reversed_amount": reversal["amount"],
            "debited_amount": reversal["debited_amount"],
        }
        yield PaymentReversed, name, _parse_timestamp(reversal["at"]), details


def _unconfirmed(old: Item, new: Item) -> Iterator[_EventDraft]:
    for name, model in (("unconfirmed_at", PaymentUnconfirmed), ("released_at", ReservationReleased)):
        if _is_new(name, old, new):
            details = _authorized_amount(new) | {"decided_at": _parse_timestamp(new["decided_at"])}
            yield model, new["decided_at"], _parse_timestamp(new[name]), details


def _anomalies(old: Item, new: Item, changed_at: datetime) -> Iterator[_EventDraft]:
    for anomaly in sorted(new.get("anomalies", set()) - old.get("anomalies", set())):
        yield PaymentAnomaly, anomaly, changed_at, {"anomaly": anomaly}


def _parse_timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
