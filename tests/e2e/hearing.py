"""What the merchant hears on the event bus, as facts that a test can name."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from local import heard
from local.merchant_events import Event

type Fact = tuple[str, str]
"""The payment's identifier, and the event's type; of an anomaly its code instead."""


def fact_of(event: Event) -> Fact:
    detail: dict[str, Any] = event["detail"]
    return detail["pnm_payment_identifier"], detail.get("anomaly") or event["detail-type"]


class Heard(heard.Heard):
    """All that was heard so far."""

    def all_of(self, facts: Iterable[Fact]) -> bool:
        """Return whether each of the facts was heard."""
        return not set(facts) - {fact_of(event) for event in self.events}

    def facts(self, payments: Iterable[str]) -> Counter[Fact]:
        """Count what was told of these payments, each event once."""
        wanted = set(payments)
        facts = map(fact_of, self.different())
        return Counter(fact for fact in facts if fact[0] in wanted)
