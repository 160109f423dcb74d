"""The documented example of each reason (``events/decision``), played on a running stack."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from tenacity import Retrying, retry_if_exception_type

from local.backend import Backend
from local.callbacks import CallbackSender, Delivery
from local.control import Control
from local.drive import confirmation_of, reversal_of
from local.events import EVENTS, Parameters, Transport, load, with_fresh_payment
from local.policy import local_policy
from paynearme.policy import Reason, read_policy

type Content = Mapping[str, Any]


class _MidnightCrossedError(Exception):
    """A day ended while an example was played."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Earlier(_Part):
    """A payment that was made before: authorized, confirmed and, if ``reverse`` says so, reversed."""

    like: str | None = None
    pay: dict[str, str]
    reverse: dict[str, str] | None = None


class Example(_Part):
    """What leads to a decision. ``like`` names a message of ``events/authorization``.

    ``order`` and ``customer`` are fed through the backend API, ``earlier`` payments are made, ``first`` is
    asked about the same payment, ``fault`` strikes an AWS service; then ``ask`` is asked.
    """

    story: str
    site: str
    like: str
    order: dict[str, str] | None = None
    customer: dict[str, str] | None = None
    earlier: tuple[Earlier, ...] = ()
    first: dict[str, str] | None = None
    fault: dict[str, str] | None = None
    ask: dict[str, str]
    reason: Reason


@dataclass(frozen=True)
class Played:
    """The question that was asked at last, and its answer."""

    message: Parameters
    delivery: Delivery


def load_examples() -> dict[Reason, Example]:
    """Return the examples by reason, in the order of the rules."""
    folder = EVENTS / "decision"
    return {
        reason: Example.model_validate(json.loads((folder / f"{reason}.json").read_text(encoding="utf-8")))
        for reason in Reason
    }


class Stage:
    """Where examples are played: PayNearMe's side, the app's backend, and the faulty endpoint."""

    def __init__(self, sender: CallbackSender, backend: Backend, faults: Control) -> None:
        """Take who plays which part."""
        self._sender = sender
        self._backend = backend
        self._faults = faults
        self._policies = read_policy(local_policy())

    def play(self, example: Example, transport: Transport = "json") -> Played:
        """Play an example with an order and a customer of its own, and return how it ended.

        Raises ``RuntimeError`` when something on the way there goes wrong. Limits are by calendar day: if one
        ends meanwhile, the example is played again.
        """
        within_a_day = Retrying(retry=retry_if_exception_type(_MidnightCrossedError))
        return within_a_day(self._play_within_a_day, example, transport)

    def _play_within_a_day(self, example: Example, transport: Transport) -> Played:
        today = self._today(example.site)
        played = self._play(example, transport)
        if self._today(example.site) != today:
            raise _MidnightCrossedError
        return played

    def _today(self, site: str) -> date:
        return datetime.now(UTC).astimezone(self._policies.of(site).zone).date()

    def _play(self, example: Example, transport: Transport) -> Played:
        of = {
            "site_identifier": example.site,
            "pnm_order_identifier": str(10**10 + secrets.randbelow(9 * 10**10)),
            "site_customer_identifier": f"{example.reason}-{secrets.token_hex(4)}",
        }
        if example.order is not None:
            self._feed(f"/orders/{example.site}/{of['pnm_order_identifier']}", example.order)
        if example.customer is not None:
            self._feed(f"/customers/{example.site}/{of['site_customer_identifier']}", example.customer)
        for earlier in example.earlier:
            self._pay(earlier, example.like, of, transport)
        message = {**with_fresh_payment(load("authorization")[example.like]), **of}
        if example.first is not None:
            self._deliver_first(message, example.first, transport)
        if example.fault is not None:
            self._faults.post("fault", example.fault)
        try:
            message |= example.ask
            return Played(message, self._sender.deliver("authorize", message, transport))
        finally:
            if example.fault is not None:
                self._faults.post("reset")

    def _feed(self, path: str, content: Content) -> None:
        reply = self._backend.put(path, content)
        if reply.status != 200:
            raise RuntimeError(f"PUT {path} was answered with {reply.status}")

    def _pay(self, earlier: Earlier, like: str, of: Content, transport: Transport) -> None:
        base = load("authorization")[earlier.like or like]
        message = {**with_fresh_payment(base), **of, **earlier.pay}
        confirmation = confirmation_of(message)
        authorized = self._sender.deliver("authorize", message, transport)
        deliveries = [authorized, self._sender.deliver("confirm", confirmation, transport)]
        if earlier.reverse is not None:
            reversal = reversal_of(confirmation, **{"reverse_code": None, **earlier.reverse})
            deliveries.append(self._sender.deliver("reverse", reversal, transport))
        accepted = (authorized.fields or {}).get("accept_payment") == "yes"
        if not accepted or not all(delivery.accepted for delivery in deliveries):
            raise RuntimeError("an earlier payment of the example was not made")

    def _deliver_first(self, message: Parameters, first: Content, transport: Transport) -> None:
        if not self._sender.deliver("authorize", {**message, **first}, transport).accepted:
            raise RuntimeError("the first question of the example was not answered")
