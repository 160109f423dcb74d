"""Run scenarios of PayNearMe and a backend on a stack, and print the checks of each result.

Each line is the result of HTTP requests. The checks compare the responses and the ledger with the expected values.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from statistics import median

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from paynearme.policy import Reason
from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.event_recorder import EventRecorder
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend, new_sender
from sandbox.demo.decision_examples import ExampleRunner, load_examples
from sandbox.demo.guaranteed_ach import SITES, GuaranteedAch
from sandbox.fake_paynearme.callback_sender import RESPONSE_TIMEOUT_SECONDS, CallbackSender, Delivery, Kind
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

_PAYMENT_TYPES = (
    ("cash", "Cash"),
    ("credit", "Credit card"),
    ("debit", "Debit card"),
    ("ach", "Bank account"),
    ("apple_pay", "Apple Pay"),
    ("google_pay", "Google Pay"),
    ("paypal", "PayPal"),
    ("venmo", "Venmo"),
    ("cash_app", "Cash App"),
)
_CALLBACKS: dict[Kind, str] = {"authorize": "authorization", "confirm": "confirmation", "reverse": "reversal"}


class Demo:
    """The scenarios, with the failed checks, the expected balances, and the durations of all callbacks."""

    def __init__(self, stack: Stack, console: Console) -> None:
        """Create a demo of a new ``stack`` that prints to ``console``."""
        self._console = console
        self._stack = stack
        self._sender: CallbackSender = new_sender(stack)
        # After a deployment many function processes start at the same time, so the first response is slow.
        self._backend = new_backend(stack, timeout=60)
        self._ledger = LedgerReader(stack)
        self._paynearme = ControlClient(f"{stack.paynearme_url}/control")
        self._recorder = EventRecorder(EventListener(stack))
        self._failures = 0
        self._expected_balances: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._durations_ms: dict[Kind, list[float]] = defaultdict(list)

    def run(self) -> bool:
        """Run all scenarios, and return whether all checks passed."""
        with self._section("Payment types: a Smart Token, an authorization, a confirmation, and a duplicate"):
            for index, (name, title) in enumerate(_PAYMENT_TYPES):
                self._payment(name, title, TRANSPORTS[index % len(TRANSPORTS)])
        for site, title in SITES.items():
            with self._section(f"Guaranteed ACH, {title}"):
                self._guaranteed_ach(site)
        with self._section("Access tokens"):
            self._access_tokens()
        with self._section("Decision reasons of the policy, each with its example"):
            self._reasons()
        with self._section("Reversals"):
            self._reversals()
        with self._section("A forged confirmation"):
            self._forgery()
        with self._section("A test payment"):
            self._test_payment()
        with self._section("Events on the event bus"):
            self._events()
        with self._section("Balances of the customers"):
            self._balances()
        with self._section("Durations of the callbacks"):
            self._durations()
        self._console.print()
        if self._failures:
            self._console.print(Text(f"Failed checks: {self._failures}", style="bold red"))
        else:
            self._console.print(Text("All checks passed.", style="bold green"))
        return not self._failures

    @contextmanager
    def _section(self, title: str) -> Iterator[None]:
        self._console.print()
        self._console.print(Text(title, style="bold"))
        yield

    def _check(self, description: str, *, passed: bool) -> None:
        mark, style = ("✓", "green") if passed else ("✗", "bold red")
        self._failures += not passed
        self._console.print(Text(f"  {mark} ", style=style) + Text(description))

    def _deliver(self, kind: Kind, message: Parameters, transport: Transport) -> Delivery:
        delivery = self._sender.deliver(kind, message, transport)
        self._durations_ms[kind].append(delivery.seconds * 1000)
        return delivery

    def _smart_token(self, request: Parameters) -> bool:
        response = self._backend.post("/smart-tokens", request)
        return response.status == 200 and bool(response.content["orders"][0]["secure_smart_link"])

    def _authorize(self, message: Parameters, transport: Transport) -> bool:
        delivery = self._deliver("authorize", message, transport)
        return delivery.accepted and (delivery.fields or {}).get("accept_payment") == "yes"

    def _confirm_twice(self, message: Parameters, transport: Transport) -> bool:
        first_delivery = self._deliver("confirm", message, transport)
        duplicate = self._deliver("confirm", message, transport)
        if first_delivery.accepted and not message.get("test"):
            customer = (message["site_identifier"], message["site_customer_identifier"])
            self._expected_balances[customer] += Decimal(message["net_payment_amount"])
        return first_delivery.accepted and duplicate.body == first_delivery.body

    def _payment(self, name: str, title: str, transport: Transport) -> None:
        message = with_new_identifier(load("authorization")[name])
        token_request = {name: message[name] for name in ("pnm_order_identifier", "site_identifier", "payment_amount")}
        steps = {
            "Smart Token": self._smart_token(token_request),
            "authorization": self._authorize(message, transport),
            "confirmation and duplicate": self._confirm_twice(build_confirmation(message), transport),
        }
        failed = [step for step, passed in steps.items() if not passed]
        amounts = f"{message['payment_amount']:>8} paid, {message['net_payment_amount']:>8} posted once"
        description = f"{title:<13} {amounts}   ({transport})"
        self._check(f"{description}; failed: {', '.join(failed)}" if failed else description, passed=not failed)

    def _guaranteed_ach(self, site: str) -> None:
        scenario = GuaranteedAch(site, self._backend, self._paynearme, self._ledger, self._check)
        self._expected_balances[site, scenario.customer] = scenario.run()

    def _access_tokens(self) -> None:
        grant_count = self._paynearme.get("access-token-requests")["granted"]
        self._check(f"All functions together requested {grant_count} access token", passed=grant_count == 1)

    def _reasons(self) -> None:
        faults = ControlClient(f"{self._stack.faults_url}/-/control")
        runner = ExampleRunner(self._sender, self._backend, faults)
        # A conflict does not change the stored decision, and the fallback decline is not stored.
        stored_reasons = {Reason.CONFLICTS_WITH_EARLIER: "accepted", Reason.CANNOT_DECIDE_NOW: None}
        for reason, example in load_examples().items():
            result = runner.run(example)
            fields = result.delivery.fields or {}
            payment = self._ledger.payment(example.site, result.message["pnm_payment_identifier"]) or {}
            accept_payment = "yes" if reason is Reason.ACCEPTED else "no"
            passed = fields.get("accept_payment") == accept_payment
            passed &= payment.get("reason") == stored_reasons.get(reason, reason)
            decision = f"{accept_payment}: {fields.get('decline_reason', 'Accepted')}"
            self._check(f"{reason:<33} {decision}", passed=passed)
            self._console.print(Padding(Text(example.scenario, style="dim"), (0, 0, 0, 6)))

    def _reversals(self) -> None:
        amounts = {"payment_amount": "354.99", "net_payment_amount": "350.00"}
        message = with_new_identifier(load("authorization")["ach"]) | amounts
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        self._authorize(message, "json")
        confirmation = build_confirmation(message)
        self._check("A payment of 354.99 posts 350.00", passed=self._confirm_twice(confirmation, "json"))
        steps = (
            ("A refund of 100.00", {"reverse_type": "Refund", "reverse_amount": "100.00"}, "100.00"),
            ("A bank return of 254.99", {"reverse_amount": "254.99"}, "250.00"),
        )
        for title, changes, expected_debit in steps:
            previous_balance = self._ledger.balance(site, customer)
            first_delivery = self._deliver("reverse", build_reversal(confirmation, **changes), "json")
            duplicate = self._deliver("reverse", build_reversal(confirmation, **changes), "json")
            actual_debit = previous_balance - self._ledger.balance(site, customer)
            passed = first_delivery.accepted and duplicate.body == first_delivery.body
            self._expected_balances[site, customer] -= Decimal(expected_debit)
            self._check(
                f"{title} debits {expected_debit}, also with a duplicate",
                passed=passed and actual_debit == Decimal(expected_debit),
            )

    def _forgery(self) -> None:
        message = with_new_identifier(load("authorization")["credit"])
        forged = signed(message, "a-guessed-secret", status="payment")
        delivery = self._deliver("confirm", forged, "json")
        payment = self._ledger.payment(message["site_identifier"], message["pnm_payment_identifier"])
        self._check("The response has status 401", passed=delivery.status == 401)
        self._check("The ledger is unchanged", passed=payment is None)

    def _test_payment(self) -> None:
        message = with_new_identifier(load("authorization")["debit"]) | {"test": True}
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        previous_balance = self._ledger.balance(site, customer)
        accepted = self._authorize(message, "json") and self._confirm_twice(build_confirmation(message), "json")
        payment = self._ledger.payment(site, message["pnm_payment_identifier"], test=True)
        self._check("The responses are those of a real payment", passed=accepted)
        self._check("A separate record contains it", passed=payment is not None and "posted_amount" not in payment)
        self._check("The balance is unchanged", passed=self._ledger.balance(site, customer) == previous_balance)

    def _events(self) -> None:
        balances_match = self._recorder.wait_until(
            lambda recorder: all(
                recorder.balances()[customer] == amount for customer, amount in self._expected_balances.items()
            )
        )
        for name, count in sorted(self._recorder.by_type().items()):
            self._console.print(f"    {name:<24} {count:>3}")
        self._check("The events result in the customers' balances", passed=balances_match)

    def _balances(self) -> None:
        table = Table("site", "customer", "expected", "actual", box=None, padding=(0, 2))
        mismatches = 0
        for (site, customer), expected in sorted(self._expected_balances.items()):
            balance = self._ledger.balance(site, customer)
            mismatches += balance != expected
            table.add_row(site, customer, f"{expected:.2f}", f"{balance:.2f}")
        self._console.print(table)
        self._check("Each balance is exact", passed=not mismatches)

    def _durations(self) -> None:
        table = Table("callback", "count", "minimum", "median", "maximum", box=None, padding=(0, 2))
        for kind, times in self._durations_ms.items():
            columns = (f"{value:.0f} ms" for value in (min(times), median(times), max(times)))
            table.add_row(_CALLBACKS[kind], str(len(times)), *columns)
        self._console.print(table)
        maximum = max(max(times) for times in self._durations_ms.values())
        timeout = RESPONSE_TIMEOUT_SECONDS
        self._check(f"Each one is below PayNearMe's timeout of {timeout:.0f} s", passed=maximum < timeout * 1000)
