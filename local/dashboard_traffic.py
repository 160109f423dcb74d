"""Some hundred callbacks of all kinds for a picture: what a busy merchant has in a day, and what goes wrong.

Nothing here is by chance, so that the picture says the same each time.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.callbacks import CallbackSender, Kind
from local.control import Control
from local.dashboard import measured_on
from local.dashboard_data import Series
from local.drive import Books, backend_of, confirmation_of, reversal_of, sender_of
from local.events import Parameters, Transport, load, signed, with_fresh_payment
from local.examples import Stage, load_examples
from local.guaranteed_ach import SITE, GuaranteedAch
from local.stack import Progress, Stack
from paynearme.policy import Reason

PAYMENTS = 240
_AT_ONCE = 4
_TRANSPORTS: tuple[Transport, ...] = ("query", "form", "json")
# How often each reason of the policy is seen, where it is more than once.
_REASONS = Counter(
    {
        Reason.ORDER_EXPIRED: 4,
        Reason.DAY_LIMIT_EXCEEDED: 6,
        Reason.AMOUNT_TOO_LOW: 3,
        Reason.CUSTOMER_SUSPENDED: 2,
        Reason.PAYMENT_TYPE_NOT_ACCEPTED: 3,
        Reason.ORDER_AMOUNT_DIFFERS: 2,
    }
)
_ODDITIES: tuple[Mapping[str, str | None], ...] = (
    {"payment_amount": "19.99", "net_payment_amount": "19.99"},
    {"site_customer_identifier": "somebody-else"},
    {"pnm_order_identifier": "84000000000"},
    {"payment_amount": "5.00"},
    {"site_customer_identifier": None},
)
_PUBLISHED = Series(
    ("PayNearMe", "EventPublished", frozenset({("service", "paynearme-local")})), "", None, "Sum"
)


def _changes(number: int) -> Mapping[str, str | None]:
    """Return how the confirmation of a payment differs from its authorization."""
    if number % 13 == 1:
        return {"status": "decline"}
    return _ODDITIES[number // 12 % len(_ODDITIES)] if number % 12 == 2 else {}


class Traffic:
    """Plays PayNearMe, consumers and the app's backend on a stack that has a faulty endpoint."""

    def __init__(self, stack: Stack) -> None:
        """Take the stack."""
        self._stack = stack
        self._sender: CallbackSender = sender_of(stack)
        self._backend = backend_of(stack, patience=60)
        self._faults = Control(f"{stack.faults_url}/-/control")
        self._paynearme = Control(f"{stack.paynearme_url}/control")
        self._messages = list(load("authorization").values())

    def play(self, progress: Progress) -> None:
        """Send all of it, and wait until the events of it are told."""
        progress("Warming up")
        self._pay(range(1))
        progress(f"{PAYMENTS} payments, some of them declined, failed, repeated, reversed or odd")
        self._pay(range(PAYMENTS // 2))
        progress("Each reason to decline")
        self._decline()
        progress("The guaranteed ACH guide, and PayNearMe out of order")
        self._ask_paynearme()
        self._pay(range(PAYMENTS // 2, PAYMENTS * 3 // 4))
        progress("The table out of order for some seconds")
        self._fail()
        self._pay(range(PAYMENTS * 3 // 4, PAYMENTS))
        progress("Waiting until all events are told")
        self._settle()

    def _pay(self, numbers: Iterable[int]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self._payment, numbers))

    def _payment(self, number: int) -> None:
        """Make a payment and let happen to it what happens to every so many."""
        amount = f"{20 + number * 37 % 480}.{number * 7 % 100:02}"
        asked = with_fresh_payment(self._messages[number % len(self._messages)]) | {
            "site_customer_identifier": f"customer-{number % 60}",
            "payment_amount": amount,
            "net_payment_amount": amount,
        }
        send = partial(self._deliver, number)
        if number % 3 == 0:
            named = {name: asked[name] for name in ("site_identifier", "pnm_order_identifier")}
            self._backend.post("/smart-tokens", named)
        send("authorize", asked | ({"payment_currency": "CAD"} if number % 47 == 9 else {}))
        if number % 17 == 0:
            send("authorize", asked)
        if number % 29 == 3:
            # Somebody guesses.
            send("confirm", signed(asked, "a-guessed-secret", status="payment"))
            send("confirm", confirmation_of(asked, test="maybe"))
        confirmation = confirmation_of(asked, **_changes(number))
        send("confirm", confirmation)
        if number % 4 == 0:
            send("confirm", confirmation)
        if number % 43 == 5:
            send("confirm", confirmation | {"status": "decline"})
        if number % 11 == 0 and confirmation["status"] == "payment":
            kind = ("Bank Return", "Chargeback", "Refund")[number // 11 % 3]
            send("reverse", reversal_of(confirmation, reverse_type=kind))
        if number % 61 == 7:
            send("reverse", reversal_of(with_fresh_payment(confirmation)))

    def _deliver(self, number: int, kind: Kind, message: Parameters) -> None:
        self._sender.deliver(kind, message, _TRANSPORTS[number % len(_TRANSPORTS)])

    def _decline(self) -> None:
        stage = Stage(self._sender, self._backend, self._faults)
        for reason, example in load_examples().items():
            # What cannot be decided is seen when the table is out of order.
            if reason is not Reason.CANNOT_DECIDE_NOW:
                for _ in range(_REASONS.get(reason, 1)):
                    stage.play(example)

    def _ask_paynearme(self) -> None:
        books = Books(self._stack)
        GuaranteedAch(SITE, self._backend, self._paynearme, books, lambda what, *, holds: None).tell()
        request = load("get_smart_token")["plain"]
        for mode, times in (("refuse", 4), ("html", 3), ("abort", 1)):
            self._paynearme.post("behaviour", {"mode": mode})
            for _ in range(times):
                self._backend.post("/smart-tokens", request)
        self._paynearme.post("behaviour", {"mode": "normal"})

    def _fail(self) -> None:
        """Let callbacks meet a table that says nothing, for as long as they may wait, and no newer policy."""
        self._faults.post("fault", {"service": "dynamodb", "mode": "hang"})
        message = self._messages[0]
        asked = [
            with_fresh_payment(message) | {"site_customer_identifier": str(uuid.uuid4())} for _ in range(6)
        ]
        with ThreadPoolExecutor(2 * len(asked)) as threads:
            kinds: tuple[Kind, ...] = ("authorize", "confirm")
            for kind in kinds:
                threads.map(partial(self._deliver, 0, kind), map(confirmation_of, asked))
        self._faults.post("reset")
        self._faults.post("fault", {"service": "appconfigdata", "mode": "throttle"})
        for payment in asked:
            self._deliver(0, "confirm", confirmation_of(payment))
        self._faults.post("reset")

    def _settle(self) -> None:
        published: list[float] = []

        def is_at_rest() -> bool:
            published.append(measured_on(self._stack).whole(_PUBLISHED))
            return len(published) > 2 and published[-1] == published[-3]

        Retrying(
            retry=retry_if_result(lambda at_rest: not at_rest),
            wait=wait_fixed(1),
            stop=stop_after_delay(60),
            # A picture of what there is by then will do.
            retry_error_callback=lambda _: None,
        )(is_at_rest)
