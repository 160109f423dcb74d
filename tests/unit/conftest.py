import pytest

from tests.support.fake_clock import Clock
from tests.support.stream_record_fixtures import EventBridgeStub, SqsStub


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled: None) -> None:
    """Disable sockets."""


@pytest.fixture
def bus(clock: Clock) -> EventBridgeStub:
    return EventBridgeStub(clock)


@pytest.fixture
def queue(clock: Clock) -> SqsStub:
    return SqsStub(clock)
