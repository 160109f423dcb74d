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

from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, backend_of, confirmation_of, reversal_of, sender_of
from local.events import Parameters, Transport, load, signed, with_fresh_payment
from local.examples import Stage, load_examples
from local.guaranteed_ach import SITES, GuaranteedAch
from local.heard import Heard
from local.merchant_events import MerchantEvents
from local.stack import Stack
from paynearme.policy import Reason

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


class Story:
    """What was told so far: the mistakes, the money that must be there, and the time of each callback."""

    def __init__(self, stack: Stack, console: Console) -> None:
        """Tell the story of ``stack`` on ``console``."""
        self._console = console
        self._stack = stack
        self._sender: CallbackSender = sender_of(stack)
        # Right after a deployment a dozen processes start at once, and the first call waits for its own.
        self._backend = backend_of(stack, patience=60)
        self._books = Books(stack)
        self._paynearme = Control(f"{stack.paynearme_url}/control")
        self._heard = Heard(MerchantEvents(stack))
        self._mistakes = 0
        self._owed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._milliseconds: dict[Kind, list[float]] = defaultdict(list)

    def tell(self) -> bool:
        """Tell all of it; return whether everything was as it should be."""
        with self._chapter("Every payment type: a token, an authorization, a confirmation, a repeat"):
            for number, (name, title) in enumerate(_PAYMENT_TYPES):
                self._payment(name, title, _TRANSPORTS[number % len(_TRANSPORTS)])
        for site, title in SITES.items():
            with self._chapter(f"The guaranteed ACH guide, where {title}"):
                self._guaranteed_ach(site)
        with self._chapter("Access tokens"):
            self._access_tokens()
        with self._chapter("Each reason of the policy, by its documented example"):
            self._reasons()
        with self._chapter("Money that comes back"):
            self._reversals()
        with self._chapter("A forged callback"):
            self._forgery()
        with self._chapter("A test payment"):
            self._test_payment()
        with self._chapter("What the merchant's systems heard of it on the event bus"):
            self._events()
        with self._chapter("The customers' balances"):
            self._balances()
        with self._chapter("What each callback cost"):
            self._costs()
        self._console.print()
        if self._mistakes:
            self._console.print(Text(f"{self._mistakes} things are not as they should be.", style="bold red"))
        else:
            self._console.print(Text("Everything is as it should be.", style="bold green"))
        return not self._mistakes

    @contextmanager
    def _chapter(self, title: str) -> Iterator[None]:
        self._console.print()
        self._console.print(Text(title, style="bold"))
        yield

    def _check(self, what: str, *, holds: bool) -> None:
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        self._mistakes += not holds
        self._console.print(Text(f"  {mark} ", style=style) + Text(what))

    def _deliver(self, kind: Kind, message: Parameters, transport: Transport) -> Delivery:
        delivery = self._sender.deliver(kind, message, transport)
        self._milliseconds[kind].append(delivery.seconds * 1000)
        return delivery

    def _token(self, request: Parameters) -> bool:
        reply = self._backend.post("/smart-tokens", request)
        return reply.status == 200 and bool(reply.content["orders"][0]["secure_smart_link"])

    def _authorized(self, message: Parameters, transport: Transport) -> bool:
        delivery = self._deliver("authorize", message, transport)
        return delivery.accepted and (delivery.fields or {}).get("accept_payment") == "yes"

    def _confirmed_twice(self, message: Parameters, transport: Transport) -> bool:
        first = self._deliver("confirm", message, transport)
        repeat = self._deliver("confirm", message, transport)
        if first.accepted and not message.get("test"):
            customer = (message["site_identifier"], message["site_customer_identifier"])
            self._owed[customer] += Decimal(message["net_payment_amount"])
        return first.accepted and repeat.body == first.body

    def _payment(self, name: str, title: str, transport: Transport) -> None:
        message = with_fresh_payment(load("authorization")[name])
        wanted = {
            name: message[name] for name in ("pnm_order_identifier", "site_identifier", "payment_amount")
        }
        steps = {
            "token": self._token(wanted),
            "authorization": self._authorized(message, transport),
            "confirmation and its repeat": self._confirmed_twice(confirmation_of(message), transport),
        }
        failed = [step for step, held in steps.items() if not held]
        amounts = f"{message['payment_amount']:>8} paid, {message['net_payment_amount']:>8} posted once"
        told = f"{title:<15} {amounts}   ({transport})"
        self._check(f"{told} failed: {', '.join(failed)}" if failed else told, holds=not failed)

    def _guaranteed_ach(self, site: str) -> None:
        story = GuaranteedAch(site, self._backend, self._paynearme, self._books, self._check)
        self._owed[site, story.customer] = story.tell()

    def _access_tokens(self) -> None:
        granted = self._paynearme.get("access-token-requests")["granted"]
        self._check(f"PayNearMe gave {granted} for all calls of all functions", holds=granted == 1)

    def _reasons(self) -> None:
        faults = Control(f"{self._stack.faults_url}/-/control")
        stage = Stage(self._sender, self._backend, faults)
        for reason, example in load_examples().items():
            played = stage.play(example)
            fields = played.delivery.fields or {}
            site, identifier = example.site, played.message["pnm_payment_identifier"]
            payment = self._books.payment(site, identifier) or {}
            stored = payment.get("reason")
            # The first question of a conflict stands, and what cannot be decided is not recorded.
            expected = {Reason.CONFLICTS_WITH_EARLIER: "accepted", Reason.CANNOT_DECIDE_NOW: None}
            answer = "yes" if reason is Reason.ACCEPTED else "no"
            holds = fields.get("accept_payment") == answer and stored == expected.get(reason, reason)
            said = fields.get("decline_reason", "Accepted")
            self._check(f"{reason:<26} {answer}: {said}", holds=holds)
            self._console.print(Padding(Text(example.story, style="dim"), (0, 0, 0, 6)))

    def _reversals(self) -> None:
        money = {"payment_amount": "354.99", "net_payment_amount": "350.00"}
        message = with_fresh_payment(load("authorization")["ach"]) | money
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        self._authorized(message, "json")
        confirmation = confirmation_of(message)
        self._check(
            "a payment of 354.99, of which 350.00 are posted",
            holds=self._confirmed_twice(confirmation, "json"),
        )
        steps = (
            ("100.00 are refunded", {"reverse_type": "Refund", "reverse_amount": "100.00"}, "100.00"),
            ("the bank returns the rest", {"reverse_amount": "254.99"}, "250.00"),
        )
        for title, changes, taken in steps:
            before = self._books.balance(site, customer)
            first = self._deliver("reverse", reversal_of(confirmation, **changes), "json")
            repeat = self._deliver("reverse", reversal_of(confirmation, **changes), "json")
            moved = before - self._books.balance(site, customer)
            holds = first.accepted and repeat.body == first.body and moved == Decimal(taken)
            self._owed[site, customer] -= Decimal(taken)
            self._check(f"{title}: {taken} are taken back, once however often it is told", holds=holds)

    def _forgery(self) -> None:
        message = with_fresh_payment(load("authorization")["credit"])
        forged = signed(message, "a-guessed-secret", status="payment")
        delivery = self._deliver("confirm", forged, "json")
        payment = self._books.payment(message["site_identifier"], message["pnm_payment_identifier"])
        self._check("is answered with 401", holds=delivery.status == 401)
        self._check("leaves nothing in the ledger", holds=payment is None)

    def _test_payment(self) -> None:
        message = with_fresh_payment(load("authorization")["debit"]) | {"test": True}
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        before = self._books.balance(site, customer)
        answered = self._authorized(message, "json") and self._confirmed_twice(
            confirmation_of(message), "json"
        )
        payment = self._books.payment(site, message["pnm_payment_identifier"], test=True)
        self._check("is answered like any other", holds=answered)
        self._check("is recorded apart", holds=payment is not None and "posted_amount" not in payment)
        self._check("moves no balance", holds=self._books.balance(site, customer) == before)

    def _events(self) -> None:
        # The examples have customers of their own.
        told = self._heard.until(
            lambda heard: all(heard.balances()[who] == amount for who, amount in self._owed.items())
        )
        for name, number in sorted(self._heard.by_type().items()):
            self._console.print(f"    {name:<20} {number:>3}")
        self._check("the customers' balances follow from the events", holds=told)

    def _balances(self) -> None:
        table = Table("site", "customer", "must be", "is", box=None, padding=(0, 2))
        differing = 0
        for (site, customer), owed in sorted(self._owed.items()):
            balance = self._books.balance(site, customer)
            differing += balance != owed
            table.add_row(site, customer, f"{owed:.2f}", f"{balance:.2f}")
        self._console.print(table)
        self._check("each is exact", holds=not differing)

    def _costs(self) -> None:
        table = Table("callback", "sent", "fastest", "median", "slowest", box=None, padding=(0, 2))
        for kind, times in self._milliseconds.items():
            numbers = (f"{value:.0f} ms" for value in (min(times), median(times), max(times)))
            table.add_row(_CALLBACKS[kind], str(len(times)), *numbers)
        self._console.print(table)
        slowest = max(max(times) for times in self._milliseconds.values())
        self._check("none took as long as PayNearMe waits (10 s)", holds=slowest < 10_000)


def tell(stack: Stack, console: Console) -> bool:
    """Tell the story of a freshly started ``stack``; return whether everything was as it should be."""
    return Story(stack, console).tell()
