"""The valid windows of a customer's spending item."""

from datetime import date
from decimal import Decimal

import pytest

from paynearme.ledger.spending import Spending
from paynearme.policy import WindowKind, WindowTotals
from paynearme.protocol.types import PaymentType


def spending(*days: str) -> Spending:
    """Return an item with one dollar by credit card on each day, and its weeks and months."""
    names = {name for day in days for name in (f"day_{day.replace('-', '_')}", *windows(day))}
    item = {f"{name}{suffix}": Decimal(1) for name in names for suffix in ("", "_credit")}
    return Spending({"pk": "SPENDING#S#1", "sk": "SPENDING", "revision": Decimal(7), "expires_at_epoch": 1, **item})


def windows(day: str) -> tuple[str, str]:
    local_day = date.fromisoformat(day)
    return f"week_{local_day:%G_W%V}", f"month_{local_day:%Y_%m}"


@pytest.mark.parametrize(
    ("stored", "day", "expected"),
    [
        ([], "2026-11-30", "2026-11-30"),
        (["2026-12-01"], "2026-11-30", "2026-11-30"),
        (["2026-11-29", "2026-12-01"], "2026-11-30", "2026-11-30"),
        (["2026-11-30", "2026-12-01"], "2026-11-30", "2026-11-30"),
        (["2026-12-01", "2026-12-02"], "2026-11-30", "2026-12-01"),
        (["2026-11-30", "2026-12-01"], "2026-12-02", "2026-12-02"),
        # A correction of an outcome can add an earlier day, which is not valid.
        (["2026-11-20", "2026-12-01", "2026-12-02"], "2026-11-20", "2026-12-01"),
    ],
)
def test_day_for_is_never_before_the_valid_days(stored: list[str], day: str, expected: str) -> None:
    assert spending(*stored).day_for(date.fromisoformat(day)) == date.fromisoformat(expected)


def test_totals_missing_window_is_zero_with_types_of_stored() -> None:
    totals = spending("2026-11-30").totals(date(2026, 12, 1))

    assert totals == {
        WindowKind.DAY: WindowTotals(),
        WindowKind.WEEK: WindowTotals(Decimal(1), {PaymentType.CREDIT: Decimal(1)}),
        WindowKind.MONTH: WindowTotals(),
    }


@pytest.mark.parametrize(
    ("stored", "day", "outdated"),
    [
        ([], "2026-11-30", set()),
        (["2026-11-30"], "2026-12-01", set()),
        (["2026-11-30", "2026-12-01"], "2026-12-02", {"day_2026_11_30"}),
        (["2026-10-31", "2026-11-30"], "2026-12-01", {"day_2026_10_31", "month_2026_10"}),
        # The week of 31 December is the last one of its ISO year.
        (["2026-12-27", "2026-12-31"], "2027-01-04", {"day_2026_12_27", "week_2026_W52"}),
    ],
)
def test_outdated_returns_all_but_two_windows_per_kind(stored: list[str], day: str, outdated: set[str]) -> None:
    attributes = {name for window in outdated for name in (window, f"{window}_credit")}
    assert set(spending(*stored).outdated(date.fromisoformat(day))) == attributes
