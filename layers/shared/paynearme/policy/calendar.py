"""The calendar windows in which spending is counted: days, ISO weeks and months of a time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum


class WindowKind(StrEnum):
    """How long a window is. A week begins on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Window:
    """One day, week or month: ``name`` is ``2026-11-20``, ``2026-W47`` or ``2026-11``."""

    kind: WindowKind
    name: str


def windows_at(timestamp: datetime, time_zone: tzinfo) -> tuple[Window, Window, Window]:
    """Return the day, the week and the month in which ``moment``, an aware time, lies in ``time_zone``."""
    today = local_date(timestamp, time_zone)
    return (
        Window(WindowKind.DAY, today.isoformat()),
        Window(WindowKind.WEEK, f"{today:%G-W%V}"),
        Window(WindowKind.MONTH, f"{today:%Y-%m}"),
    )


def local_date(timestamp: datetime, time_zone: tzinfo) -> date:
    """Return the date that a calendar in ``time_zone`` shows at ``moment``, an aware time."""
    return timestamp.astimezone(time_zone).date()


def within_days(counts: Iterable[tuple[date, int]], today: date, days: int) -> int:
    """Return the sum of what was counted on the last ``number`` days up to ``today``, or after it."""
    first = today - timedelta(days=days - 1)
    return sum(count for day, count in counts if day >= first)
