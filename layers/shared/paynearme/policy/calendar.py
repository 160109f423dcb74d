"""Calendar windows for spending: days, ISO weeks and months in a time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum


class WindowKind(StrEnum):
    """The length of a window. A week starts on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Window:
    """One day, week or month. ``name`` is ``2026-11-20``, ``2026-W47`` or ``2026-11``."""

    kind: WindowKind
    name: str


def windows_of(day: date) -> tuple[Window, Window, Window]:
    """Return the day, and the week and the month that contain it."""
    return (
        Window(WindowKind.DAY, day.isoformat()),
        Window(WindowKind.WEEK, f"{day:%G-W%V}"),
        Window(WindowKind.MONTH, f"{day:%Y-%m}"),
    )


def local_date(timestamp: datetime, time_zone: tzinfo) -> date:
    """Return the date of ``timestamp``, an aware time, in ``time_zone``."""
    return timestamp.astimezone(time_zone).date()


def within_days(counts: Iterable[tuple[date, int]], today: date, days: int) -> int:
    """Return the sum of the counts of the last ``days`` days, including today and later days."""
    first = today - timedelta(days=days - 1)
    return sum(count for day, count in counts if day >= first)
