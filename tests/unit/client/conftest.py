import pytest

from paynearme.client import http_client
from paynearme.client import paynearme_client as client_module
from tests.support.paynearme_server_stub import MAX_SECONDS


@pytest.fixture
def real_connections(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable sockets, with time limits that a busy machine does not reach."""
    monkeypatch.setattr(http_client, "_CONNECT_SECONDS", MAX_SECONDS)
    monkeypatch.setattr(client_module, "_MAX_ATTEMPT_SECONDS", MAX_SECONDS)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a wait."""
    policy = client_module._retry_policy
    without_wait = {"backoff_factor": 0, "backoff_jitter": 0}
    monkeypatch.setattr(client_module, "_retry_policy", lambda **options: policy(**options).new(**without_wait))
