from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.policy import Window, WindowKind
from paynearme.policy.calendar import local_date, windows_of

NEW_YORK = ZoneInfo("America/New_York")

zones = st.sampled_from(
    [
        "UTC",
        "America/New_York",
        "America/Havana",  # skips and repeats the hour after midnight
        "Australia/Lord_Howe",  # moves its clocks by half an hour
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Kiritimati",  # the first zone with a new day
        "Etc/GMT+12",  # the last zone with a new day
    ]
).map(ZoneInfo)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (bounds must be naive)


def windows_at(timestamp: datetime, zone: ZoneInfo) -> tuple[Window, Window, Window]:
    return windows_of(local_date(timestamp, zone))


def window_names_at(instant: str, zone: str) -> list[str]:
    return [window.name for window in windows_at(datetime.fromisoformat(instant), ZoneInfo(zone))]


def days_in(window: Window) -> tuple[date, date]:
    """Return the first and the last day of a window from its name."""
    if window.kind is WindowKind.DAY:
        day = date.fromisoformat(window.name)
        return day, day
    if window.kind is WindowKind.WEEK:
        monday = date.fromisoformat(f"{window.name}-1")
        return monday, monday + timedelta(days=6)
    first = date.fromisoformat(f"{window.name}-01")
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def test_windows_at_returns_day_week_and_month() -> None:
    assert windows_at(datetime(2026, 11, 20, 17, 30, tzinfo=UTC), NEW_YORK) == (
        Window(WindowKind.DAY, "2026-11-20"),
        Window(WindowKind.WEEK, "2026-W47"),
        Window(WindowKind.MONTH, "2026-11"),
    )


# The first second of each day, and that the second before belongs to the day before.
@pytest.mark.parametrize(
    ("first", "zone", "previous_day", "day"),
    [
        ("2026-11-21T00:00:00Z", "UTC", "2026-11-20", "2026-11-21"),
        ("2026-11-21T05:00:00Z", "America/New_York", "2026-11-20", "2026-11-21"),
        ("2026-07-21T04:00:00Z", "America/New_York", "2026-07-20", "2026-07-21"),
        ("2026-11-20T18:15:00Z", "Asia/Kathmandu", "2026-11-20", "2026-11-21"),
        ("2026-11-20T10:00:00Z", "Pacific/Kiritimati", "2026-11-20", "2026-11-21"),
        ("2026-11-21T12:00:00Z", "Etc/GMT+12", "2026-11-20", "2026-11-21"),
        ("2026-03-08T05:00:00Z", "America/New_York", "2026-03-07", "2026-03-08"),  # the day has 23 hours
        ("2026-03-09T04:00:00Z", "America/New_York", "2026-03-08", "2026-03-09"),
        ("2026-11-01T04:00:00Z", "America/New_York", "2026-10-31", "2026-11-01"),  # the day has 25 hours
        ("2026-11-02T05:00:00Z", "America/New_York", "2026-11-01", "2026-11-02"),
        ("2018-11-04T03:00:00Z", "America/Sao_Paulo", "2018-11-03", "2018-11-04"),  # the day has no midnight
        ("2023-03-26T04:00:00Z", "America/Asuncion", "2023-03-25", "2023-03-26"),  # the hour before repeats
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-29", "2011-12-31"),  # Samoa crossed the date line
    ],
)
def test_day_window_changes_at_first_second_of_local_day(first: str, zone: str, previous_day: str, day: str) -> None:
    instant = datetime.fromisoformat(first)
    last_of_previous = [instant - timedelta(**{unit: 1}) for unit in ("seconds", "microseconds")]
    names = [windows_at(timestamp, ZoneInfo(zone))[0].name for timestamp in (*last_of_previous, instant)]
    assert names == [previous_day, previous_day, day]


@pytest.mark.parametrize(
    ("instant", "zone", "names"),
    [
        ("2025-12-28T12:00:00Z", "UTC", ["2025-12-28", "2025-W52", "2025-12"]),
        ("2025-12-29T12:00:00Z", "UTC", ["2025-12-29", "2026-W01", "2025-12"]),
        ("2027-01-01T04:59:59Z", "America/New_York", ["2026-12-31", "2026-W53", "2026-12"]),
        ("2027-01-01T05:00:00Z", "America/New_York", ["2027-01-01", "2026-W53", "2027-01"]),
        ("2027-01-04T12:00:00Z", "UTC", ["2027-01-04", "2027-W01", "2027-01"]),
        ("2028-02-29T12:00:00Z", "UTC", ["2028-02-29", "2028-W09", "2028-02"]),
        ("2028-03-01T12:00:00Z", "UTC", ["2028-03-01", "2028-W09", "2028-03"]),
    ],
)
def test_windows_at_year_and_leap_day_iso_week_and_month(instant: str, zone: str, names: list[str]) -> None:
    assert window_names_at(instant, zone) == names


@given(instants, st.integers(-800, 800), zones)
def test_windows_at_contain_date_in_one_window_per_kind(instant: datetime, days: int, zone: ZoneInfo) -> None:
    today = datetime.fromtimestamp(instant.timestamp(), zone).date()
    windows = windows_at(instant, zone)
    assert windows == windows_at(instant.astimezone(NEW_YORK), zone)
    assert [window.kind for window in windows] == list(WindowKind)
    for window, later_window in zip(windows, windows_at(instant + timedelta(days=days), zone), strict=True):
        first, last = days_in(window)
        assert first <= today <= last
        first, last = days_in(later_window)
        assert (first <= today <= last) == (later_window == window)
