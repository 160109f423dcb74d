import pytest

from paynearme.platform.cached_value import CachedValue
from tests.support.fake_clock import Clock


class Loader:
    """Return 1, 2 and so on, or raise ``error``. Each load takes ``seconds``."""

    def __init__(self, clock: Clock, seconds: float = 0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.count = 0
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.count += 1
        self.clock.advance(self.seconds)
        if self.error:
            raise self.error
        return self.count


def test_cached_value_loads_on_first_use_only(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](300, clock)
    assert load.count == 0
    assert [cache.get(load) for _ in range(3)] == [1, 1, 1]


def test_cached_value_expires_after_its_age(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](300, clock)
    cache.get(load)
    clock.advance(299.9)
    assert cache.get(load) == 1
    clock.advance(0.1)
    assert [cache.get(load), cache.get(load)] == [2, 2]


def test_cached_value_age_starts_after_the_load(clock: Clock) -> None:
    load, cache = Loader(clock, seconds=10), CachedValue[int](300, clock)
    cache.get(load)
    clock.advance(295)
    assert cache.get(load) == 1


def test_cached_value_without_age_loads_each_time(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](0, clock)
    assert [cache.get(load) for _ in range(3)] == [1, 2, 3]


def test_cached_value_refresh_loads_and_starts_a_new_age(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](300, clock)
    cache.get(load)
    clock.advance(200)
    assert cache.get(load, refresh=True) == 2
    clock.advance(200)
    assert cache.get(load) == 2


def test_cached_value_keeps_its_value_if_a_load_fails(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](300, clock)
    cache.get(load)
    load.error = KeyError("x")
    with pytest.raises(KeyError):
        cache.get(load, refresh=True)
    assert cache.get(load) == 1


def test_cached_value_loads_again_after_a_failed_first_load(clock: Clock) -> None:
    load, cache = Loader(clock), CachedValue[int](300, clock)
    load.error = KeyError("x")
    for _ in range(2):
        with pytest.raises(KeyError):
            cache.get(load)
    load.error = None
    assert cache.get(load) == 3
