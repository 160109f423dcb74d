"""The documented example of each reason (``events/decision``), played on a running stack."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from tenacity import Retrying, retry_if_exception_type

from paynearme.policy import Reason, read_policy
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.callback_sender import CallbackSender, Delivery
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import EVENTS, Parameters, Transport, load, with_new_identifier
from sandbox.clients.stack_client import build_confirmation, build_reversal
from sandbox.stack.policy import local_policy

type Content = Mapping[str, Any]


class _MidnightCrossedError(Exception):
    """A day ended while an example was played."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriorPayment(_Model):
    """A payment that was made before: authorized, confirmed and, if ``reverse`` says so, reversed."""

    base: str | None = None
    changes: dict[str, str]
    reversal_changes: dict[str, str] | None = None


class Example(_Model):
    """What leads to a decision. ``like`` names a message of ``events/authorization``.

    ``order`` and ``customer`` are fed through the backend API, ``earlier`` payments are made, ``first`` is
    asked about the same payment, ``fault`` strikes an AWS service; then ``ask`` is asked.
    """

    scenario: str
    site: str
    base: str
    order: dict[str, str] | None = None
    customer: dict[str, str] | None = None
    prior_payments: tuple[PriorPayment, ...] = ()
    first_request: dict[str, str] | None = None
    fault: dict[str, str] | None = None
    request: dict[str, str]
    reason: Reason


@dataclass(frozen=True)
class ExampleResult:
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


class ExampleRunner:
    """Where examples are played: PayNearMe's side, the app's backend, and the faulty endpoint."""

    def __init__(self, sender: CallbackSender, backend: BackendClient, faults: ControlClient) -> None:
        """Take who plays which part."""
        self._sender = sender
        self._backend = backend
        self._faults = faults
        self._policies = read_policy(local_policy())

    def run(self, example: Example, transport: Transport = "json") -> ExampleResult:
        """Play an example with an order and a customer of its own, and return how it ended.

        Raises ``RuntimeError`` when something on the way there goes wrong. Limits are by calendar day: if one
        ends meanwhile, the example is played again.
        """
        retrying = Retrying(retry=retry_if_exception_type(_MidnightCrossedError))
        return retrying(self._run_within_a_day, example, transport)

    def _run_within_a_day(self, example: Example, transport: Transport) -> ExampleResult:
        today = self._today(example.site)
        result = self._run(example, transport)
        if self._today(example.site) != today:
            raise _MidnightCrossedError
        return result

    def _today(self, site: str) -> date:
        return datetime.now(UTC).astimezone(self._policies.for_site(site).zone).date()

    def _run(self, example: Example, transport: Transport) -> ExampleResult:
        identifiers = {
            "site_identifier": example.site,
            "pnm_order_identifier": str(10**10 + secrets.randbelow(9 * 10**10)),
            "site_customer_identifier": f"{example.reason}-{secrets.token_hex(4)}",
        }
        if example.order is not None:
            self._put(f"/orders/{example.site}/{identifiers['pnm_order_identifier']}", example.order)
        if example.customer is not None:
            self._put(f"/customers/{example.site}/{identifiers['site_customer_identifier']}", example.customer)
        for prior_payment in example.prior_payments:
            self._pay(prior_payment, example.base, identifiers, transport)
        message = {**with_new_identifier(load("authorization")[example.base]), **identifiers}
        if example.first_request is not None:
            self._deliver_first(message, example.first_request, transport)
        if example.fault is not None:
            self._faults.post("fault", example.fault)
        try:
            message |= example.request
            return ExampleResult(message, self._sender.deliver("authorize", message, transport))
        finally:
            if example.fault is not None:
                self._faults.post("reset")

    def _put(self, path: str, content: Content) -> None:
        response = self._backend.put(path, content)
        if response.status != 200:
            raise RuntimeError(f"PUT {path} was answered with {response.status}")

    def _pay(self, prior_payment: PriorPayment, base: str, identifiers: Content, transport: Transport) -> None:
        template = load("authorization")[prior_payment.base or base]
        message = {**with_new_identifier(template), **identifiers, **prior_payment.changes}
        confirmation = build_confirmation(message)
        authorized = self._sender.deliver("authorize", message, transport)
        deliveries = [authorized, self._sender.deliver("confirm", confirmation, transport)]
        if prior_payment.reversal_changes is not None:
            reversal = build_reversal(confirmation, **{"reverse_code": None, **prior_payment.reversal_changes})
            deliveries.append(self._sender.deliver("reverse", reversal, transport))
        accepted = (authorized.fields or {}).get("accept_payment") == "yes"
        if not accepted or not all(delivery.accepted for delivery in deliveries):
            raise RuntimeError("an earlier payment of the example was not made")

    def _deliver_first(self, message: Parameters, changes: Content, transport: Transport) -> None:
        if not self._sender.deliver("authorize", {**message, **changes}, transport).accepted:
            raise RuntimeError("the first question of the example was not answered")
