from datetime import UTC, datetime, timedelta

from paynearme.ledger.schema import stored_time


def test_stored_time_texts_sort_by_time() -> None:
    second = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
    times = [second + timedelta(microseconds=microseconds) for microseconds in (0, 1, 999_999, 1_000_000)]

    texts = [stored_time(time) for time in times]

    assert sorted(texts) == texts
    assert [datetime.fromisoformat(text) for text in texts] == times
