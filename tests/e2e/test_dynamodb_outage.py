"""A write outage of the table in the middle of 200 confirmations."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock

import pytest
from tenacity import Retrying, retry_if_result, stop_after_attempt

from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder

CONFIRMATIONS = 200
ACKNOWLEDGED_BEFORE = 60
"""The number of acknowledged confirmations before the outage starts."""
REJECTED_DURING = 48
"""The number of rejected confirmations before the outage ends."""
MAX_RETRIES = 40
"""PayNearMe retries an unacknowledged confirmation about 40 times."""


@dataclass
class OutageController:
    """Start and end the outage by the number of deliveries, not by time."""

    faults: ControlClient
    acknowledged: int = 0
    rejected: int = 0
    acknowledged_early: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def record(self, payment: str, *, accepted: bool, is_durable: bool) -> None:
        """Record a response, and whether the payment was posted when the response arrived."""
        with self._lock:
            self.acknowledged += accepted
            # Before the outage, a busy machine can reject a confirmation.
            self.rejected += not accepted and self.acknowledged >= ACKNOWLEDGED_BEFORE
            if accepted and not is_durable:
                self.acknowledged_early.append(payment)
            if accepted and self.acknowledged == ACKNOWLEDGED_BEFORE:
                writes = ["TransactWriteItems", "UpdateItem"]
                fault = {"service": "dynamodb", "mode": "error500", "operations": writes}
                self.faults.post("fault", fault)
            if not accepted and self.rejected == REJECTED_DURING:
                self.faults.post("fault", {"service": "dynamodb", "mode": "none"})


@pytest.mark.full
def test_table_outage_confirmations_exactly_once(
    concurrent_workers: ThreadPoolExecutor,
    stack: Stack,
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
) -> None:
    event_recorder = PaymentEventRecorder(EventListener(stack))
    authorization = load("authorization")["credit"]
    confirmations = [
        build_confirmation(with_new_identifier(authorization), site_customer_identifier=f"outage-{index % 20}")
        for index in range(CONFIRMATIONS)
    ]
    outage = OutageController(faults)
    site, net = authorization["site_identifier"], Decimal(authorization["net_payment_amount"])

    def confirm_until_accepted(confirmation: Parameters) -> bool:
        payment = confirmation["pnm_payment_identifier"]

        def deliver_once() -> bool:
            accepted = sender.deliver("confirm", confirmation, "json").accepted
            is_posted = (ledger_reader.payment(site, payment) or {}).get("posted_amount") == net
            outage.record(payment, accepted=accepted, is_durable=is_posted)
            return accepted

        retrying = Retrying(
            retry=retry_if_result(lambda accepted: not accepted),
            stop=stop_after_attempt(1 + MAX_RETRIES),
            retry_error_callback=lambda state: False,
        )
        return bool(retrying(deliver_once))

    assert all(concurrent_workers.map(confirm_until_accepted, confirmations))

    assert outage.rejected >= REJECTED_DURING
    assert outage.acknowledged_early == []
    for index in range(20):
        # Each customer has 10 payments.
        assert ledger_reader.balance(site, f"outage-{index}") == 10 * net
    expected_events = [(confirmation["pnm_payment_identifier"], "PaymentConfirmed") for confirmation in confirmations]
    event_recorder.wait_until(lambda recorder: recorder.contains_all(expected_events))
    assert event_recorder.count_keys(payment for payment, _ in expected_events) == Counter(expected_events)
