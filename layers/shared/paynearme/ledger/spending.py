"""A customer's spending by calendar window, in one item (``docs/adr/0020-store-spending-in-one-item.md``).

Only the latest two days, weeks and months of the item are valid. The next authorization removes earlier ones, so the
size of the item does not depend on the history.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from paynearme.ledger.schema import ZERO
from paynearme.platform.dynamodb import Item, Key
from paynearme.policy import WindowKind, WindowTotals
from paynearme.policy.calendar import windows_of

_VALID_PER_KIND = 2
# The total of a window, such as ``day_2026_11_30``. The total of one payment type is ``day_2026_11_30_credit``.
_TOTAL = re.compile(r"(?:day|month|week)(?:_W?[0-9]+)+")


def spending_key(site_id: str, customer: str) -> Key:
    """Return the key of a customer's spending item.

    Its partition differs from the account's: a permission to reserve must not include the balance.
    """
    return (f"SPENDING#{site_id}#{customer}", "SPENDING")


@lru_cache(maxsize=16)
def window_attributes(day: date) -> Mapping[WindowKind, str]:
    """Return the names of the attributes with the totals of the windows of ``day``. They sort by time."""
    return {window.kind: f"{window.kind}_{window.name.replace('-', '_')}" for window in windows_of(day)}


@dataclass(frozen=True)
class Spending:
    """The content of a spending item, which is empty if it does not exist."""

    item: Item

    def day_for(self, day: date) -> date:
        """Return the day in whose windows a payment of the local date ``day`` counts.

        This is ``day``, or the earlier valid day if both valid days are later (a skewed clock, another time zone).
        """
        valid = _latest(self.item, WindowKind.DAY)
        if len(valid) < _VALID_PER_KIND:
            return day
        return max(day, date.fromisoformat(valid[0].removeprefix("day_").replace("_", "-")))

    def totals(self, day: date) -> dict[WindowKind, WindowTotals]:
        """Return the totals of the windows of ``day``, a day that ``day_for`` returned."""
        return {kind: self._totals(name) for kind, name in window_attributes(day).items()}

    def _totals(self, window: str) -> WindowTotals:
        prefix = f"{window}_"
        by_type: dict[Any, Decimal] = {
            name.removeprefix(prefix): self.item[name] for name in self.item if name.startswith(prefix)
        }
        return WindowTotals(self.item.get(window, ZERO), by_type)

    def without(self, amounts: Mapping[str, Decimal]) -> "Spending":
        """Return the content without ``amounts``, by attribute. Attributes that do not exist remain so."""
        remaining = {name: self.item[name] - amount for name, amount in amounts.items() if name in self.item}
        return Spending(self.item | remaining)

    def outdated(self, day: date) -> list[str]:
        """Return the attributes that are not valid when the item contains the windows of ``day``."""
        names = {*self.item, *window_attributes(day).values()}
        valid = {name for kind in WindowKind for name in _latest(names, kind)}
        return [name for name in self.item if (found := _TOTAL.match(name)) and found[0] not in valid]


def _latest(names: Iterable[str], kind: WindowKind) -> list[str]:
    """Return the names of the latest totals of a kind, the earlier one first."""
    return sorted(name for name in names if name.startswith(kind) and _TOTAL.fullmatch(name))[-_VALID_PER_KIND:]
