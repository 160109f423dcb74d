"""Run the example of each decision reason (``events/decision``) on a running stack."""

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
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import EVENTS, load
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import (
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    with_new_identifier,
)
from sandbox.stack.policy import local_policy

type Content = Mapping[str, Any]


class _MidnightCrossedError(Exception):
    """A day ended while an example was running."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriorPayment(_Model):
    """An earlier payment: authorized, confirmed and, with ``reversal_changes``, reversed."""

    base: str | None = None
    changes: dict[str, str]
    reversal_changes: dict[str, str] | None = None


class Example(_Model):
    """The steps that result in a decision with ``reason``.

    The runner puts ``order`` and ``customer`` through the backend API, makes ``prior_payments``, sends
    ``first_request`` for the same payment, injects ``fault``, and then sends ``request``. ``base`` is the name of a
    message in ``events/authorization``. The requests contain its changes.
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
    """The last authorization of an example, and its delivery."""

    message: Parameters
    delivery: Delivery


def load_examples() -> dict[Reason, Example]:
    """Return the examples by decision reason, in the order of the rules."""
    files = {reason: EVENTS / "decision" / f"{reason}.json" for reason in Reason}
    return {
        reason: Example.model_validate(json.loads(file.read_text(encoding="utf-8")))
        for reason, file in files.items()
        if file.exists()
    }


class ExampleRunner:
    """Run examples with the callback sender, the backend and the fault proxy."""

    def __init__(self, sender: CallbackSender, backend: BackendClient, faults: ControlClient) -> None:
        """Create a runner. ``faults`` is a client of the fault proxy."""
        self._sender = sender
        self._backend = backend
        self._faults = faults
        self._policies = read_policy(local_policy())

    def run(self, example: Example, transport: Transport = "json") -> ExampleResult:
        """Run an example with a new order and a new customer, and return its last authorization.

        Raises ``RuntimeError`` if an earlier step fails. Limits apply to calendar days, so the example runs again if a
        day ends.
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
            first_message = {**message, **example.first_request}
            if not self._sender.deliver("authorize", first_message, transport).accepted:
                raise RuntimeError("the first authorization of the example failed")
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
            raise RuntimeError(f"PUT {path} returned status {response.status}")

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
            raise RuntimeError("an earlier payment of the example failed")
