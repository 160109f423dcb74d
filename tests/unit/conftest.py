import pytest
from hypothesis import settings

# What fails once must fail again, on a slow machine too.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled: None) -> None:
    """Refuse every socket: a unit test that needs one is none."""
