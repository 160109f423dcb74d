"""A story in the terminal: PayNearMe and the app's backend talk to the stack, and it shows what happened.

Nothing here is pretended: every line is an HTTP call, and every check compares what came back, or what
the table holds, with what must be. The story fails loudly if anything differs.
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
from sandbox.clients.callback_sender import CallbackSender, Delivery, Kind
from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.event_recorder import EventRecorder
from sandbox.clients.sample_messages import Parameters, Transport, load, signed, with_new_identifier
from sandbox.clients.stack_client import LedgerReader, build_confirmation, build_reversal, new_backend, new_sender
from sandbox.decision_examples import ExampleRunner, load_examples
from sandbox.guaranteed_ach import SITES, GuaranteedAch
from sandbox.stack.stack import Stack

_TRANSPORTS: tuple[Transport, ...] = ("query", "form", "json")
_PAYMENT_TYPES = (
    ("cash", "cash at a shop"),
    ("credit", "credit card"),
    ("debit", "debit card"),
    ("ach", "bank account"),
    ("apple_pay", "Apple Pay"),
    ("google_pay", "Google Pay"),
    ("paypal", "PayPal"),
    ("venmo", "Venmo"),
    ("cash_app", "Cash App"),
)
_CALLBACKS: dict[Kind, str] = {"authorize": "authorization", "confirm": "confirmation", "reverse": "reversal"}


class Demo:
    """What was told so far: the mistakes, the money that must be there, and the time of each callback."""

    def __init__(self, stack: Stack, console: Console) -> None:
        """Tell the story of ``stack`` on ``console``."""
        self._console = console
        self._stack = stack
        self._sender: CallbackSender = new_sender(stack)
        # Right after a deployment a dozen processes start at once, and the first call waits for its own.
        self._backend = new_backend(stack, timeout=60)
        self._ledger = LedgerReader(stack)
        self._paynearme = ControlClient(f"{stack.paynearme_url}/control")
        self._recorder = EventRecorder(EventListener(stack))
        self._failures = 0
        self._expected_balances: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._durations_ms: dict[Kind, list[float]] = defaultdict(list)

    def run(self) -> bool:
        """Tell all of it; return whether everything was as it should be."""
        with self._section("Every payment type: a token, an authorization, a confirmation, a repeat"):
            for index, (name, title) in enumerate(_PAYMENT_TYPES):
                self._payment(name, title, _TRANSPORTS[index % len(_TRANSPORTS)])
        for site, title in SITES.items():
            with self._section(f"The guaranteed ACH guide, where {title}"):
                self._guaranteed_ach(site)
        with self._section("Access tokens"):
            self._access_tokens()
        with self._section("Each reason of the policy, by its documented example"):
            self._reasons()
        with self._section("Money that comes back"):
            self._reversals()
        with self._section("A forged callback"):
            self._forgery()
        with self._section("A test payment"):
            self._test_payment()
        with self._section("What the merchant's systems heard of it on the event bus"):
            self._events()
        with self._section("The customers' balances"):
            self._balances()
        with self._section("What each callback cost"):
            self._costs()
        self._console.print()
        if self._failures:
            self._console.print(Text(f"{self._failures} things are not as they should be.", style="bold red"))
        else:
            self._console.print(Text("Everything is as it should be.", style="bold green"))
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
            "token": self._smart_token(token_request),
            "authorization": self._authorize(message, transport),
            "confirmation and its repeat": self._confirm_twice(build_confirmation(message), transport),
        }
        failed = [step for step, passed in steps.items() if not passed]
        amounts = f"{message['payment_amount']:>8} paid, {message['net_payment_amount']:>8} posted once"
        description = f"{title:<15} {amounts}   ({transport})"
        self._check(f"{description} failed: {', '.join(failed)}" if failed else description, passed=not failed)

    def _guaranteed_ach(self, site: str) -> None:
        scenario = GuaranteedAch(site, self._backend, self._paynearme, self._ledger, self._check)
        self._expected_balances[site, scenario.customer] = scenario.run()

    def _access_tokens(self) -> None:
        grant_count = self._paynearme.get("access-token-requests")["granted"]
        self._check(f"PayNearMe gave {grant_count} for all calls of all functions", passed=grant_count == 1)

    def _reasons(self) -> None:
        faults = ControlClient(f"{self._stack.faults_url}/-/control")
        runner = ExampleRunner(self._sender, self._backend, faults)
        for reason, example in load_examples().items():
            result = runner.run(example)
            fields = result.delivery.fields or {}
            site, identifier = example.site, result.message["pnm_payment_identifier"]
            payment = self._ledger.payment(site, identifier) or {}
            stored_reason = payment.get("reason")
            # The first question of a conflict stands, and what cannot be decided is not recorded.
            expected_reasons = {Reason.CONFLICTS_WITH_EARLIER: "accepted", Reason.CANNOT_DECIDE_NOW: None}
            accept_payment = "yes" if reason is Reason.ACCEPTED else "no"
            passed = fields.get("accept_payment") == accept_payment and stored_reason == expected_reasons.get(
                reason, reason
            )
            decline_text = fields.get("decline_reason", "Accepted")
            self._check(f"{reason:<26} {accept_payment}: {decline_text}", passed=passed)
            self._console.print(Padding(Text(example.scenario, style="dim"), (0, 0, 0, 6)))

    def _reversals(self) -> None:
        money = {"payment_amount": "354.99", "net_payment_amount": "350.00"}
        message = with_new_identifier(load("authorization")["ach"]) | money
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        self._authorize(message, "json")
        confirmation = build_confirmation(message)
        self._check(
            "a payment of 354.99, of which 350.00 are posted",
            passed=self._confirm_twice(confirmation, "json"),
        )
        steps = (
            ("100.00 are refunded", {"reverse_type": "Refund", "reverse_amount": "100.00"}, "100.00"),
            ("the bank returns the rest", {"reverse_amount": "254.99"}, "250.00"),
        )
        for title, changes, expected_debit in steps:
            previous_balance = self._ledger.balance(site, customer)
            first_delivery = self._deliver("reverse", build_reversal(confirmation, **changes), "json")
            duplicate = self._deliver("reverse", build_reversal(confirmation, **changes), "json")
            actual_debit = previous_balance - self._ledger.balance(site, customer)
            passed = (
                first_delivery.accepted
                and duplicate.body == first_delivery.body
                and actual_debit == Decimal(expected_debit)
            )
            self._expected_balances[site, customer] -= Decimal(expected_debit)
            self._check(f"{title}: {expected_debit} are taken back, once however often it is told", passed=passed)

    def _forgery(self) -> None:
        message = with_new_identifier(load("authorization")["credit"])
        forged = signed(message, "a-guessed-secret", status="payment")
        delivery = self._deliver("confirm", forged, "json")
        payment = self._ledger.payment(message["site_identifier"], message["pnm_payment_identifier"])
        self._check("is answered with 401", passed=delivery.status == 401)
        self._check("leaves nothing in the ledger", passed=payment is None)

    def _test_payment(self) -> None:
        message = with_new_identifier(load("authorization")["debit"]) | {"test": True}
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        previous_balance = self._ledger.balance(site, customer)
        accepted = self._authorize(message, "json") and self._confirm_twice(build_confirmation(message), "json")
        payment = self._ledger.payment(site, message["pnm_payment_identifier"], test=True)
        self._check("is answered like any other", passed=accepted)
        self._check("is recorded apart", passed=payment is not None and "posted_amount" not in payment)
        self._check("moves no balance", passed=self._ledger.balance(site, customer) == previous_balance)

    def _events(self) -> None:
        # The examples have customers of their own.
        balances_match = self._recorder.wait_until(
            lambda recorder: all(
                recorder.balances()[customer] == amount for customer, amount in self._expected_balances.items()
            )
        )
        for name, count in sorted(self._recorder.by_type().items()):
            self._console.print(f"    {name:<20} {count:>3}")
        self._check("the customers' balances follow from the events", passed=balances_match)

    def _balances(self) -> None:
        table = Table("site", "customer", "must be", "is", box=None, padding=(0, 2))
        mismatches = 0
        for (site, customer), expected in sorted(self._expected_balances.items()):
            balance = self._ledger.balance(site, customer)
            mismatches += balance != expected
            table.add_row(site, customer, f"{expected:.2f}", f"{balance:.2f}")
        self._console.print(table)
        self._check("each is exact", passed=not mismatches)

    def _costs(self) -> None:
        table = Table("callback", "sent", "fastest", "median", "slowest", box=None, padding=(0, 2))
        for kind, times in self._durations_ms.items():
            columns = (f"{value:.0f} ms" for value in (min(times), median(times), max(times)))
            table.add_row(_CALLBACKS[kind], str(len(times)), *columns)
        self._console.print(table)
        slowest = max(max(times) for times in self._durations_ms.values())
        self._check("none took as long as PayNearMe waits (10 s)", passed=slowest < 10_000)


def run(stack: Stack, console: Console) -> bool:
    """Tell the story of a freshly started ``stack``; return whether everything was as it should be."""
    return Demo(stack, console).run()
