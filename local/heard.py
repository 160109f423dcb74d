"""What the merchant's systems have heard on the event bus, and what follows from it."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.merchant_events import Event, MerchantEvents

MOST_SECONDS = 120


@dataclass
class Heard:
    """All events so far. They come a moment after the changes that they tell of."""

    merchant: MerchantEvents
    events: list[Event] = field(default_factory=list)

    def until(self, holds: Callable[[Self], bool]) -> bool:
        """Listen until it holds, for two minutes at the most; return whether it does."""

        def listen() -> bool:
            self.events += self.merchant.take_all()
            return holds(self)

        patiently = Retrying(
            retry=retry_if_result(lambda held: not held),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(MOST_SECONDS),
            retry_error_callback=lambda state: False,
        )
        return bool(patiently(listen))

    def different(self) -> list[Event]:
        """Return each event once, as it came first: an event may come more than once."""
        by_identifier: dict[str, Event] = {}
        for event in self.events:
            by_identifier.setdefault(event["detail"]["event_identifier"], event)
        return list(by_identifier.values())

    def by_type(self) -> Counter[str]:
        """Count the events by what they tell, each once."""
        return Counter(event["detail-type"] for event in self.different())

    def balances(self) -> defaultdict[tuple[str, str], Decimal]:
        """Return the balances by site and customer that follow from the events; nothing for all others."""
        balances: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for detail in (event["detail"] for event in self.different()):
            moved = Decimal(detail.get("credited_amount", 0)) - Decimal(detail.get("debited_amount", 0))
            if moved:
                balances[detail["site_identifier"], detail["site_customer_identifier"]] += moved
        return balances
