from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.policy import Window, WindowKind, windows_at
from paynearme.policy.calendar import local_date, within_days
from tests.support.policy_builders import case, decide_case

NEW_YORK = ZoneInfo("America/New_York")

zones = st.sampled_from(
    [
        "UTC",
        "America/New_York",
        "America/Havana",  # skips and repeats the hour after midnight
        "Africa/Cairo",
        "Australia/Lord_Howe",  # moves its clocks by half an hour
        "Asia/Kathmandu",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Pacific/Kiritimati",  # the first zone with a new day
        "Etc/GMT+12",  # the last zone with a new day
    ]
).map(ZoneInfo)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (bounds must be naive)


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


@pytest.mark.parametrize(
    ("last", "first", "zone", "day", "next_day"),
    [
        ("2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z", "UTC", "2026-11-20", "2026-11-21"),
        ("2026-11-21T04:59:59Z", "2026-11-21T05:00:00Z", "America/New_York", "2026-11-20", "2026-11-21"),
        ("2026-07-21T03:59:59Z", "2026-07-21T04:00:00Z", "America/New_York", "2026-07-20", "2026-07-21"),
        ("2026-11-20T18:14:59Z", "2026-11-20T18:15:00Z", "Asia/Kathmandu", "2026-11-20", "2026-11-21"),
        ("2026-11-20T09:59:59Z", "2026-11-20T10:00:00Z", "Pacific/Kiritimati", "2026-11-20", "2026-11-21"),
        ("2026-11-21T11:59:59Z", "2026-11-21T12:00:00Z", "Etc/GMT+12", "2026-11-20", "2026-11-21"),
    ],
)
def test_day_window_changes_at_midnight_of_time_zone(last: str, first: str, zone: str, day: str, next_day: str) -> None:
    assert window_names_at(last, zone)[0] == day
    assert window_names_at(last.replace(":59Z", ":59.999999Z"), zone)[0] == day
    assert window_names_at(first, zone)[0] == next_day


def test_day_window_of_one_timestamp_differs_by_time_zone() -> None:
    instant = "2026-11-20T10:30:00Z"
    zones = ("Etc/GMT+12", "UTC", "Pacific/Kiritimati")
    assert [window_names_at(instant, zone)[0] for zone in zones] == ["2026-11-19", "2026-11-20", "2026-11-21"]


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-08T04:59:59Z", "2026-03-07"),
        ("2026-03-08T05:00:00Z", "2026-03-08"),
        ("2026-03-08T06:59:59Z", "2026-03-08"),  # 01:59:59, and the next second is 03:00:00
        ("2026-03-08T07:00:00Z", "2026-03-08"),
        ("2026-03-09T03:59:59Z", "2026-03-08"),  # the day has 23 hours
        ("2026-03-09T04:00:00Z", "2026-03-09"),
    ],
)
def test_day_window_has_23_hours_when_dst_starts(instant: str, day: str) -> None:
    assert window_names_at(instant, "America/New_York")[0] == day


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-01T03:59:59Z", "2026-10-31"),
        ("2026-11-01T04:00:00Z", "2026-11-01"),
        ("2026-11-01T05:30:00Z", "2026-11-01"),  # 01:30 for the first time
        ("2026-11-01T06:30:00Z", "2026-11-01"),  # 01:30 for the second
        ("2026-11-02T04:59:59Z", "2026-11-01"),  # the day has 25 hours
        ("2026-11-02T05:00:00Z", "2026-11-02"),
    ],
)
def test_day_window_has_25_hours_when_dst_ends(instant: str, day: str) -> None:
    assert window_names_at(instant, "America/New_York")[0] == day


def test_windows_at_same_for_both_folds_of_dst_hour() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK)
    second = first.replace(fold=1)
    assert first.astimezone(UTC) != second.astimezone(UTC)
    assert windows_at(first, NEW_YORK) == windows_at(second, NEW_YORK)


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2018-11-04T02:59:59Z", "America/Sao_Paulo", "2018-11-03"),
        ("2018-11-04T03:00:00Z", "America/Sao_Paulo", "2018-11-04"),  # 01:00: the day has no midnight
        ("2023-03-26T02:59:59Z", "America/Asuncion", "2023-03-25"),
        ("2023-03-26T03:00:00Z", "America/Asuncion", "2023-03-25"),  # 23:00 for the second time
        ("2023-03-26T04:00:00Z", "America/Asuncion", "2023-03-26"),
        ("2011-12-30T09:59:59Z", "Pacific/Apia", "2011-12-29"),
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"),  # Samoa crossed the date line
    ],
)
def test_day_window_skipped_midnight_or_day_is_calendar_date(instant: str, zone: str, day: str) -> None:
    assert window_names_at(instant, zone)[0] == day


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2025-12-28", "2025-W52"),
        ("2025-12-29", "2026-W01"),
        ("2026-11-22", "2026-W47"),
        ("2026-11-23", "2026-W48"),
        ("2026-12-31", "2026-W53"),
        ("2027-01-01", "2026-W53"),
        ("2027-01-03", "2026-W53"),
        ("2027-01-04", "2027-W01"),
    ],
)
def test_week_window_is_iso_week(day: str, week: str) -> None:
    assert window_names_at(f"{day}T12:00:00Z", "UTC")[1] == week


@pytest.mark.parametrize(
    ("day", "month"),
    [
        ("2028-02-28", "2028-02"),
        ("2028-02-29", "2028-02"),
        ("2028-03-01", "2028-03"),
        ("2026-02-28", "2026-02"),
        ("2026-03-01", "2026-03"),
        ("2026-04-30", "2026-04"),
        ("2026-05-01", "2026-05"),
        ("2026-12-31", "2026-12"),
        ("2027-01-01", "2027-01"),
    ],
)
def test_month_window_changes_after_last_day_and_leap_day(day: str, month: str) -> None:
    names = window_names_at(f"{day}T12:00:00Z", "UTC")
    assert (names[0], names[2]) == (day, month)


def test_windows_at_new_year_week_continues() -> None:
    assert window_names_at("2027-01-01T04:59:59Z", "America/New_York") == ["2026-12-31", "2026-W53", "2026-12"]
    assert window_names_at("2027-01-01T05:00:00Z", "America/New_York") == ["2027-01-01", "2026-W53", "2027-01"]


@given(instants, st.timedeltas(timedelta(hours=-30), timedelta(hours=30)), zones)
def test_windows_at_equal_for_equal_dates(instant: datetime, later: timedelta, zone: ZoneInfo) -> None:
    later_instant = instant + later
    dates = [datetime.fromtimestamp(value.timestamp(), zone).date() for value in (instant, later_instant)]
    windows, later_windows = windows_at(instant, zone), windows_at(later_instant, zone)
    assert (windows[0] == later_windows[0]) == (dates[0] == dates[1])
    if dates[0] == dates[1]:
        assert windows == later_windows


@given(instants, st.integers(-800, 800), zones)
def test_windows_at_contain_date_in_one_window_per_kind(instant: datetime, days: int, zone: ZoneInfo) -> None:
    today = datetime.fromtimestamp(instant.timestamp(), zone).date()
    windows = windows_at(instant, zone)
    assert [window.kind for window in windows] == list(WindowKind)
    for window, later_instant in zip(windows, windows_at(instant + timedelta(days=days), zone), strict=True):
        first, last = days_in(window)
        assert first <= today <= last
        first, last = days_in(later_instant)
        assert (first <= today <= last) == (later_instant == window)


@given(instants, zones)
def test_windows_at_independent_of_timestamp_time_zone(instant: datetime, zone: ZoneInfo) -> None:
    assert windows_at(instant.astimezone(zone), NEW_YORK) == windows_at(instant, NEW_YORK)


def test_local_date_uses_time_zone() -> None:
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    assert local_date(midnight, UTC) == date(2026, 11, 21)
    assert local_date(midnight, NEW_YORK) == date(2026, 11, 20)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-21T04:59:59Z", "2026-11-20"),
        ("2026-11-21T05:00:00Z", "2026-11-21"),
        ("2026-11-01T04:00:00Z", "2026-11-01"),
        ("2026-11-02T05:00:00Z", "2026-11-02"),
    ],
)
def test_receipt_date_placeholder_uses_policy_time_zone(now: str, day: str) -> None:
    texts = {"accepted": {"receipt": "{date}"}}
    assert decide_case(case(policy={"texts": texts}, now=datetime.fromisoformat(now))).receipt == day


TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("days_back", "expected_count"), [(1, 1), (2, 11), (29, 11), (30, 111), (364, 111), (365, 1111)]
)
def test_within_days_counts_last_days_including_today(days_back: int, expected_count: int) -> None:
    days = {0: 1, 1: 10, 29: 100, 364: 1000, 365: 10000}
    counts = {TODAY - timedelta(days=ago): count for ago, count in days.items()}
    assert within_days(counts.items(), TODAY, days_back) == expected_count


def test_within_days_counts_over_leap_day() -> None:
    counts = {date(2028, 2, 28): 1, date(2028, 2, 29): 10, date(2028, 3, 1): 100}
    assert [within_days(counts.items(), date(2028, 3, 1), days_back) for days_back in (1, 2, 3)] == [100, 110, 111]


def test_within_days_without_counts_returns_zero() -> None:
    assert within_days([], TODAY, 365) == 0
