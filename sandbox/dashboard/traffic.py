"""Generate traffic for the image of the dashboard: several hundred callbacks, and faults.

The traffic is deterministic, so that the images are comparable.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from paynearme.policy import Reason
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend, new_sender
from sandbox.dashboard.image import read_metrics
from sandbox.dashboard.metrics import Series
from sandbox.demo.decision_examples import ExampleRunner, load_examples
from sandbox.demo.guaranteed_ach import SITE, GuaranteedAch
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import (
    TRANSPORTS,
    Parameters,
    build_confirmation,
    build_reversal,
    signed,
    with_new_identifier,
)
from sandbox.stack.lifecycle import Progress
from sandbox.stack.stack import Stack

PAYMENTS = 240
_CONCURRENCY = 4
# The number of runs of an example. The default is one.
_REASON_COUNTS = Counter(
    {
        Reason.ORDER_EXPIRED: 4,
        Reason.DAY_LIMIT_EXCEEDED: 6,
        Reason.AMOUNT_TOO_LOW: 3,
        Reason.CUSTOMER_SUSPENDED: 2,
        Reason.PAYMENT_TYPE_NOT_ACCEPTED: 3,
        Reason.ORDER_AMOUNT_DIFFERS: 2,
    }
)
_MISMATCHES: tuple[Mapping[str, str | None], ...] = (
    {"payment_amount": "19.99", "net_payment_amount": "19.99"},
    {"site_customer_identifier": "another-customer"},
    {"pnm_order_identifier": "84000000000"},
    {"payment_amount": "5.00"},
    {"site_customer_identifier": None},
)
_PUBLISHED = Series(("PayNearMe", "EventPublished", frozenset({("service", "paynearme-local")})), "", None, "Sum")


def _changes(index: int) -> Mapping[str, str | None]:
    """Return the differences between the confirmation of a payment and its authorization."""
    if index % 13 == 1:
        return {"status": "decline"}
    return _MISMATCHES[index // 12 % len(_MISMATCHES)] if index % 12 == 2 else {}


class TrafficGenerator:
    """Send callbacks and requests of PayNearMe, consumers and a backend to a stack with a fault proxy."""

    def __init__(self, stack: Stack) -> None:
        """Create a generator for ``stack``."""
        self._stack = stack
        self._sender: CallbackSender = new_sender(stack)
        self._backend = new_backend(stack, timeout=60)
        self._faults = ControlClient(f"{stack.faults_url}/-/control")
        self._paynearme = ControlClient(f"{stack.paynearme_url}/control")
        self._messages = list(load("authorization").values())

    def run(self, progress: Progress) -> None:
        """Send the traffic, and wait until its events are published."""
        progress("Sending the first payment")
        self._pay(range(1))
        progress(f"Sending {PAYMENTS} payments with declines, duplicates, reversals and anomalies")
        self._pay(range(PAYMENTS // 2))
        progress("Running the decision examples")
        self._decline()
        progress("Running the guaranteed ACH scenario, and injecting faults into PayNearMe")
        self._call_paynearme()
        self._pay(range(PAYMENTS // 2, PAYMENTS * 3 // 4))
        progress("Injecting faults into DynamoDB and AppConfig")
        self._inject_faults()
        self._pay(range(PAYMENTS * 3 // 4, PAYMENTS))
        progress("Waiting for the events")
        self._wait_for_events()

    def _pay(self, indexes: Iterable[int]) -> None:
        with ThreadPoolExecutor(_CONCURRENCY) as threads:
            list(threads.map(self._payment, indexes))

    def _payment(self, index: int) -> None:
        """Send the callbacks of a payment. Its index selects the special cases."""
        amount = f"{20 + index * 37 % 480}.{index * 7 % 100:02}"
        authorization = with_new_identifier(self._messages[index % len(self._messages)]) | {
            "site_customer_identifier": f"customer-{index % 60}",
            "payment_amount": amount,
            "net_payment_amount": amount,
        }
        send = partial(self._deliver, index)
        if index % 3 == 0:
            token_request = {name: authorization[name] for name in ("site_identifier", "pnm_order_identifier")}
            self._backend.post("/smart-tokens", token_request)
        send("authorize", authorization | ({"payment_currency": "CAD"} if index % 47 == 9 else {}))
        if index % 17 == 0:
            send("authorize", authorization)
        if index % 29 == 3:
            send("confirm", signed(authorization, "a-guessed-secret", status="payment"))
            send("confirm", build_confirmation(authorization, test="maybe"))
        confirmation = build_confirmation(authorization, **_changes(index))
        send("confirm", confirmation)
        if index % 4 == 0:
            send("confirm", confirmation)
        if index % 43 == 5:
            send("confirm", confirmation | {"status": "decline"})
        if index % 11 == 0 and confirmation["status"] == "payment":
            kind = ("Bank Return", "Chargeback", "Refund")[index // 11 % 3]
            send("reverse", build_reversal(confirmation, reverse_type=kind))
        if index % 61 == 7:
            send("reverse", build_reversal(with_new_identifier(confirmation)))

    def _deliver(self, index: int, kind: Kind, message: Parameters) -> None:
        self._sender.deliver(kind, message, TRANSPORTS[index % len(TRANSPORTS)])

    def _decline(self) -> None:
        runner = ExampleRunner(self._sender, self._backend, self._faults)
        for reason, example in load_examples().items():
            # ``_inject_faults`` sends authorizations without a decision.
            if reason is not Reason.CANNOT_DECIDE_NOW:
                for _ in range(_REASON_COUNTS.get(reason, 1)):
                    runner.run(example)

    def _call_paynearme(self) -> None:
        ledger = LedgerReader(self._stack)
        GuaranteedAch(SITE, self._backend, self._paynearme, ledger, lambda description, *, passed: None).run()
        request = load("get_smart_token")["plain"]
        for mode, times in (("reject", 4), ("html", 3), ("abort", 1)):
            self._paynearme.post("behaviour", {"mode": mode})
            for _ in range(times):
                self._backend.post("/smart-tokens", request)
        self._paynearme.post("behaviour", {"mode": "normal"})

    def _inject_faults(self) -> None:
        """Send callbacks while DynamoDB does not respond, and then while AppConfig is throttled."""
        self._faults.post("fault", {"service": "dynamodb", "mode": "hang"})
        message = self._messages[0]
        authorizations = [
            with_new_identifier(message) | {"site_customer_identifier": str(uuid.uuid4())} for _ in range(6)
        ]
        with ThreadPoolExecutor(2 * len(authorizations)) as threads:
            threads.map(partial(self._deliver, 0, "authorize"), authorizations)
            threads.map(partial(self._deliver, 0, "confirm"), map(build_confirmation, authorizations))
        self._faults.post("reset")
        self._faults.post("fault", {"service": "appconfigdata", "mode": "throttle"})
        for payment in authorizations:
            self._deliver(0, "confirm", build_confirmation(payment))
        self._faults.post("reset")

    def _wait_for_events(self) -> None:
        published: list[float] = []

        def is_idle() -> bool:
            published.append(read_metrics(self._stack).overall(_PUBLISHED))
            return len(published) > 2 and published[-1] == published[-3]

        Retrying(
            retry=retry_if_result(lambda idle: not idle),
            wait=wait_fixed(1),
            stop=stop_after_delay(60),
            # An incomplete image is acceptable.
            retry_error_callback=lambda _: None,
        )(is_idle)
