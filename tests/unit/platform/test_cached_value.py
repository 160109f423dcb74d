import pytest

from paynearme.platform.cached_value import CachedValue
from tests.support.fake_clock import Clock


class Loader:
    """Return 1, 2 and so on, or raise ``error``."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.count += 1
        if self.error:
            raise self.error
        return self.count


def test_cached_value_expires_after_its_age(clock: Clock) -> None:
    load, cache = Loader(), CachedValue[int](300, clock)
    assert load.count == 0
    assert [cache.get(load), cache.get(load)] == [1, 1]
    clock.advance(299.9)
    assert cache.get(load) == 1
    clock.advance(0.1)
    assert [cache.get(load), cache.get(load)] == [2, 2]
    clock.advance(200)
    assert cache.get(load, refresh=True) == 3
    clock.advance(200)
    assert cache.get(load) == 3


def test_cached_value_kept_if_a_load_fails(clock: Clock) -> None:
    load, cache = Loader(), CachedValue[int](300, clock)
    load.error = KeyError("x")
    with pytest.raises(KeyError):
        cache.get(load)
    load.error = None
    assert cache.get(load) == 2
    load.error = KeyError("x")
    with pytest.raises(KeyError):
        cache.get(load, refresh=True)
    assert cache.get(load) == 2
