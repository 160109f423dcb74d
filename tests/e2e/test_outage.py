"""An outage rehearsed: the table takes no writes for a while in the middle of 200 confirmations."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock

from tenacity import Retrying, retry_if_result, stop_after_attempt

from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books, confirmation_of
from local.events import Parameters, load, with_fresh_payment
from local.merchant_events import MerchantEvents
from local.stack import Stack
from tests.e2e.hearing import Heard

CONFIRMATIONS = 200
BEFORE = 60
"""How many are acknowledged before the table takes no more writes."""
REFUSED = 48
"""How many are refused before it takes them again."""
REPEATS = 40
"""How often PayNearMe tells it again, about (public)."""


@dataclass
class Outage:
    """Begins and ends by what PayNearMe's side has seen, not by the clock."""

    faults: Control
    acknowledged: int = 0
    refused: int = 0
    early: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def see(self, payment: str, *, accepted: bool, durable: bool) -> None:
        """Take note of an answer, and of whether the payment was posted when it came."""
        with self._lock:
            self.acknowledged += accepted
            self.refused += not accepted
            if accepted and not durable:
                self.early.append(payment)
            if accepted and self.acknowledged == BEFORE:
                writes = ["TransactWriteItems", "UpdateItem"]
                fault = {"service": "dynamodb", "mode": "error500", "operations": writes}
                self.faults.post("fault", fault)
            if not accepted and self.refused == REFUSED:
                self.faults.post("fault", {"service": "dynamodb", "mode": "none"})


def test_an_outage_of_the_table_loses_no_confirmation_posts_none_twice_and_acknowledges_none_early(
    crowd: ThreadPoolExecutor, stack: Stack, sender: CallbackSender, faults: Control, books: Books
) -> None:
    heard = Heard(MerchantEvents(stack))
    authorization = load("authorization")["credit"]
    confirmations = [
        confirmation_of(with_fresh_payment(authorization), site_customer_identifier=f"sits-out-{number % 20}")
        for number in range(CONFIRMATIONS)
    ]
    outage = Outage(faults)
    site, net = authorization["site_identifier"], Decimal(authorization["net_payment_amount"])

    def tell(confirmation: Parameters) -> bool:
        payment = confirmation["pnm_payment_identifier"]

        def once() -> bool:
            accepted = sender.deliver("confirm", confirmation, "json").accepted
            posted = (books.payment(site, payment) or {}).get("posted_amount") == net
            outage.see(payment, accepted=accepted, durable=posted)
            return accepted

        again = Retrying(
            retry=retry_if_result(lambda accepted: not accepted),
            stop=stop_after_attempt(1 + REPEATS),
            retry_error_callback=lambda state: False,
        )
        return bool(again(once))

    assert all(crowd.map(tell, confirmations))

    assert outage.refused >= REFUSED
    assert outage.early == []
    for number in range(20):
        # Ten of each customer.
        assert books.balance(site, f"sits-out-{number}") == 10 * net
    told = [(confirmation["pnm_payment_identifier"], "PaymentConfirmed") for confirmation in confirmations]
    heard.until(lambda so_far: so_far.all_of(told))
    assert heard.facts(payment for payment, _ in told) == Counter(told)
