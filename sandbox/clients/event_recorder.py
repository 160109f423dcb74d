"""Record the events of the event bus, and derive balances from them."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from sandbox.clients.event_listener import BusEvent, EventListener

TIMEOUT_SECONDS = 120


@dataclass
class EventRecorder:
    """All received events. They arrive shortly after the changes in the ledger."""

    listener: EventListener
    events: list[BusEvent] = field(default_factory=list)

    def wait_until(self, predicate: Callable[[Self], bool]) -> bool:
        """Receive events until ``predicate`` is true, for at most two minutes. Returns whether it is true."""

        def poll() -> bool:
            self.events += self.listener.drain()
            return predicate(self)

        retrying = Retrying(
            retry=retry_if_result(lambda satisfied: not satisfied),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(TIMEOUT_SECONDS),
            retry_error_callback=lambda state: False,
        )
        return bool(retrying(poll))

    def unique(self) -> list[BusEvent]:
        """Return each event once, because EventBridge can deliver an event several times."""
        by_identifier: dict[str, BusEvent] = {}
        for event in self.events:
            by_identifier.setdefault(event["detail"]["event_identifier"], event)
        return list(by_identifier.values())

    def by_type(self) -> Counter[str]:
        """Return the count of unique events by type."""
        return Counter(event["detail-type"] for event in self.unique())

    def balances(self) -> defaultdict[tuple[str, str], Decimal]:
        """Return the balances by site and customer, derived from the events. The default is zero."""
        balances: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for detail in (event["detail"] for event in self.unique()):
            change = Decimal(detail.get("credited_amount", 0)) - Decimal(detail.get("debited_amount", 0))
            if change:
                balances[detail["site_identifier"], detail["site_customer_identifier"]] += change
        return balances
