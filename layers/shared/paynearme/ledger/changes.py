"""From what changed in a payment's item to the events that tell it.

An event's identifier follows from what it tells, so that a repeat carries the same one, whoever makes it.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from paynearme.ledger import items
from paynearme.messages import Outcome
from paynearme.messages.events import (
    PaymentAnomaly,
    PaymentAuthorized,
    PaymentConfirmed,
    AuthorizationDeclined,
    PaymentEvent,
    PaymentFailed,
    ReservationReleased,
    PaymentReversed,
    PaymentUnconfirmed,
)
from paynearme.table import Item

_NAMESPACE = uuid.UUID("5d6c2f6e-58b6-4f0a-9a0e-0d2f8f6f7a51")
_REVERSAL = "reversal_"
_MOST_EVENTS_OF_A_CHANGE = 100
_IDENTITY = (
    "site_identifier",
    "pnm_payment_identifier",
    "pnm_order_identifier",
    "site_customer_identifier",
    "site_order_identifier",
    "site_payment_identifier",
)

type _Told = tuple[type[PaymentEvent], str, datetime, Mapping[str, Any]]
"""An event's type, by what it differs from others of the type, when it happened, and what it tells."""


def events_of(old: Item, new: Item, changed_at: datetime) -> list[PaymentEvent]:
    """Return what the change of a payment's item from ``old`` to ``new`` is told as, in order.

    An item that did not or does not exist is an empty one. ``changed_at`` is when the table changed. Raises
    ``KeyError``, ``ValueError`` and their kind for payments that are not as the ledger writes them. Other
    items are told to nobody, and neither is a test payment.
    """
    if not new or not items.is_payment(new) or new["test"]:
        return []
    told = [*_decision(old, new), *_outcome(old, new), *_reversals(old, new), *_overdue(old, new)]
    # Nothing of an item says when it was marked, but what it was marked for has a time of its own.
    told += _anomalies(old, new, told[0][2] if told else changed_at)
    identity = {name: new[name] for name in _IDENTITY if name in new}
    # What was written before there were revisions may still be in the stream when events are first told.
    first = int(new.get("revision", 0)) * _MOST_EVENTS_OF_A_CHANGE
    return [
        model.model_validate(
            identity
            | dict(says)
            | {
                "event_identifier": _identifier(new, model.detail_type, discriminator),
                "occurred_at": occurred_at,
                "sequence": first + place,
            }
        )
        for place, (model, discriminator, occurred_at, says) in enumerate(told)
    ]


def _identifier(item: Item, detail_type: str, discriminator: str) -> str:
    parts = (item["site_identifier"], item["pnm_payment_identifier"], detail_type, discriminator)
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def _is_new(name: str, old: Item, new: Item) -> bool:
    return name in new and new[name] != old.get(name)


def _asked(item: Item) -> Item:
    return {"payment_amount": item["authorized_amount"], "payment_currency": item["authorized_currency"]}


def _decision(old: Item, new: Item) -> Iterator[_Told]:
    if not _is_new("decided_at", old, new):
        return
    model = PaymentAuthorized if new["decision"] == "accept" else AuthorizationDeclined
    says = _asked(new) | {"reason": new["reason"], "policy_version": new["policy_version"]}
    says["payment_type"] = new.get("payment_type")
    # One that was released is decided on again.
    yield model, new["decided_at"], _moment(new["decided_at"]), says


def _outcome(old: Item, new: Item) -> Iterator[_Told]:
    if not _is_new("outcome", old, new):
        return
    paid = new["outcome"] == Outcome.PAYMENT
    says: Item = {
        "payment_amount": new.get("confirmed_amount"),
        "payment_currency": new.get("confirmed_currency"),
        "payment_type": new.get("payment_type"),
    }
    if paid:
        net = new["confirmed_net"]
        named = "confirmed_customer" in new
        says |= {
            "net_payment_amount": net,
            "credited_amount": net - new.get("debited_amount", Decimal(0)) if named else Decimal(0),
            "authorized": new.get("decision") == "accept",
            "standin": new["standin"],
        }
    # There is one of each, at the most.
    yield PaymentConfirmed if paid else PaymentFailed, "", _moment(new["confirmed_at"]), says


def _reversals(old: Item, new: Item) -> Iterator[_Told]:
    for name in sorted(new.keys() - old.keys()):
        if not (name.startswith(_REVERSAL) and isinstance(new[name], dict)):
            continue
        reversal = new[name]
        says = {
            "reversal_kind": reversal["kind"],
            "reverse_type": reversal.get("type"),
            "reverse_code": reversal.get("code"),
            "reversed_amount": reversal["amount"],
            "debited_amount": reversal["debited_amount"],
        }
        if "confirmed_customer" in new:
            # Whose balance it was taken off, whoever else was told of since.
            says["site_customer_identifier"] = new["confirmed_customer"]
        yield PaymentReversed, name, _moment(reversal["at"]), says


def _overdue(old: Item, new: Item) -> Iterator[_Told]:
    for name, model in (("unconfirmed_at", PaymentUnconfirmed), ("released_at", ReservationReleased)):
        if _is_new(name, old, new):
            says = _asked(new) | {"decided_at": _moment(new["decided_at"])}
            yield model, new["decided_at"], _moment(new[name]), says


def _anomalies(old: Item, new: Item, changed_at: datetime) -> Iterator[_Told]:
    for anomaly in sorted(new.get("anomalies", set()) - old.get("anomalies", set())):
        yield PaymentAnomaly, anomaly, changed_at, {"anomaly": anomaly}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
