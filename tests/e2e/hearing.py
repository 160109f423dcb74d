"""What the merchant hears on the event bus, awaited: it comes a moment after the change."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.merchant_events import Event, MerchantEvents

type Fact = tuple[str, str]
"""The payment's identifier, and the event's type; of an anomaly its code instead."""

MOST_SECONDS = 120


def fact_of(event: Event) -> Fact:
    detail: dict[str, Any] = event["detail"]
    return detail["pnm_payment_identifier"], detail.get("anomaly") or event["detail-type"]


@dataclass
class Heard:
    """All that was heard so far."""

    merchant: MerchantEvents
    events: list[Event] = field(default_factory=list)

    def until(self, holds: Callable[["Heard"], bool]) -> None:
        """Listen until it holds."""

        def listen() -> bool:
            self.events += self.merchant.take_all()
            return holds(self)

        patiently = Retrying(
            retry=retry_if_result(lambda held: not held),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(MOST_SECONDS),
            retry_error_callback=lambda state: None,
        )
        patiently(listen)

    def all_of(self, facts: Iterable[Fact]) -> bool:
        """Return whether each of the facts was heard."""
        return not set(facts) - {fact_of(event) for event in self.events}

    def different(self) -> list[Event]:
        """Return each event once, as it came first: an event may come more than once."""
        by_identifier: dict[str, Event] = {}
        for event in self.events:
            by_identifier.setdefault(event["detail"]["event_identifier"], event)
        return list(by_identifier.values())

    def facts(self, payments: Iterable[str]) -> Counter[Fact]:
        """Count what was told of these payments, each event once."""
        wanted = set(payments)
        facts = map(fact_of, self.different())
        return Counter(fact for fact in facts if fact[0] in wanted)
