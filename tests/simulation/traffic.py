"""Generate PayNearMe's messages and the merchant's requests for a seed."""

from datetime import timedelta
from decimal import Decimal
from random import Random

from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.protocol.merchant_input import CustomerInput, OrderInput
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from tests.simulation.model import Message
from tests.support.callback_fixtures import SITE
from tests.support.ledger_model import Limit, Received, Rules
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal

CUSTOMERS = ("ann", "ann", "ann", "bob", None)
ORDERS = ("8001", "8002")
RULES = (
    Rules("America/New_York"),
    Rules("America/New_York", (Limit("day", Decimal(150)),)),
    Rules("America/New_York", (Limit("day", Decimal(100), frozenset({"cash", "credit"})), Limit("week", Decimal(250)))),
    Rules("Asia/Tokyo", (Limit("month", Decimal(200)), Limit("day", Decimal(60), frozenset({"other", "none"})))),
    Rules("Europe/London", (Limit("week", Decimal(160)),), chargebacks=(0, 2)),
)
_TYPES = {"cash": "cash", "credit": "credit", "debit": "debit", "zelle": "other", None: "none"}
_HOURS = 3600.0

type Parameters = dict[str, str | None]


class Traffic:
    """The messages of all payments. Each payment has a number."""

    def __init__(self, random: Random) -> None:
        self._random = random
        # Each seed concentrates on other messages.
        self._customers = random.choice((CUSTOMERS, ("ann",)))
        self._amounts = random.choice((("20.00",), ("20.00", "40.00", "60.00", "100.00")))
        self._delays = random.choice(((0.0,), (0.0, 3 * _HOURS, 30 * _HOURS), (30 * _HOURS,)))
        self._max_reversals = random.choice((0, 2, 3))
        self.payment_count = 0
        self._keys = 0
        self._submissions: list[MakePaymentRequest] = []

    def new_payment(
        self, now: float, timestamp: int, order: str | None = None, site_payment_identifier: str | None = None
    ) -> list[Message]:
        """Return all messages about one payment, some of which are sent later."""
        random = self._random
        self.payment_count += 1
        payment_id = str(self.payment_count)
        parameters: Parameters = {
            "pnm_payment_identifier": payment_id,
            "pnm_order_identifier": order or random.choice(ORDERS),
            "site_customer_identifier": random.choice(self._customers),
            "payment_amount": random.choice(self._amounts),
            "payment_type": random.choice(tuple(_TYPES)),
            "site_payment_identifier": site_payment_identifier,
            "timestamp": str(timestamp),
            "test": "true" if site_payment_identifier is None and random.random() < 0.05 else None,
        }
        messages = []
        if random.random() < 0.9:
            messages.append(self._authorization(payment_id, parameters))
        if random.random() < 0.1:
            messages.append(self._authorization(payment_id, parameters | {"payment_amount": "30.00"}))
        confirmed_at = now + random.choice(self._delays)
        outcomes = random.choice(
            (("payment",),) * 4 + (("decline",), ("decline", "payment"), ("payment", "decline"), ())
        )
        for outcome in outcomes:
            changed: Parameters = {"payment_amount": "50.00"} if random.random() < 0.08 else {}
            changed |= {"site_customer_identifier": "bob"} if random.random() < 0.05 else {}
            messages.append(self._confirmation(payment_id, parameters | changed, outcome, confirmed_at))
        for index in range(random.randint(0, self._max_reversals)):
            messages.append(self._reversal(payment_id, parameters, index, confirmed_at))
        return messages

    def submission(self) -> MakePaymentRequest:
        """Return a new request for a payment, or an earlier one."""
        if not self._submissions or self._random.random() < 0.4:
            self._keys += 1
            parameters = {
                "Idempotency-Key": f"key-{self._keys}",
                "pnm_order_identifier": self._random.choice(ORDERS),
                "payment_method_identifier": "77",
                "payment_amount": "20.00",
                "payment_currency": "USD",
                "site_channel": "consumer",
            }
            self._submissions.append(read_message(MakePaymentRequest, parameters))
        return self._random.choice(self._submissions[-3:])

    def customer(self) -> CustomerInput:
        """Return new settings of a customer."""
        parameters = {"site_identifier": SITE, "site_customer_identifier": self._random.choice(("ann", "bob"))}
        if self._random.random() < 0.2:
            parameters |= {"status": "suspended", "suspended_reason": "review"}
        if self._random.random() < 0.5:
            window = self._random.choice(("day", "week", "month"))
            parameters[f"self_imposed_{window}_limit"] = self._random.choice(("80.00", "200.00", "400.00"))
        return read_message(CustomerInput, parameters)

    def order(self) -> OrderInput:
        """Return new values of an order."""
        status = "closed" if self._random.random() < 0.2 else "open"
        order = self._random.choice(ORDERS)
        return read_message(OrderInput, {"site_identifier": SITE, "pnm_order_identifier": order, "status": status})

    def advance(self) -> timedelta:
        """Return the duration of a jump of the clock."""
        return timedelta(seconds=self._random.choice((1, 30, 700, 700, 2 * _HOURS, 2 * _HOURS, 25 * _HOURS)))

    def _authorization(self, payment_id: str, parameters: Parameters) -> Message:
        content = read_message(Authorization, valid_authorization(**parameters))
        return Message(payment_id, _received(parameters, content.payment_amount), content)

    def _confirmation(self, payment_id: str, parameters: Parameters, outcome: str, available_at: float) -> Message:
        amount = Decimal(parameters["payment_amount"] or 0)
        changes = {"status": outcome, "net_payment_amount": str(amount - 5)}
        content = read_message(Confirmation, valid_confirmation(**{**parameters, **changes}))
        return Message(payment_id, _received(parameters, amount), content, available_at)

    def _reversal(self, payment_id: str, parameters: Parameters, index: int, available_at: float) -> Message:
        changes = {
            "reverse_amount": f"{self._random.choice((5, 15, 15, 40))}.0{index}",
            "reverse_type": self._random.choice(("Bank Return", "Chargeback", "Refund")),
            "reverse_code": None,
        }
        content = read_message(Reversal, valid_reversal(**(parameters | changes)))
        delay = self._random.choice((-_HOURS, 0.0, 0.0, 0.0, 3 * _HOURS))
        return Message(payment_id, _received(parameters, content.amount), content, available_at + delay)


def _received(parameters: Parameters, amount: Decimal) -> Received:
    return Received(amount, parameters["site_customer_identifier"], _TYPES[parameters["payment_type"]])
