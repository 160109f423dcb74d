"""boto3's clients, made once for all tests: to make one takes longer than most of the calls through it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config


@dataclass(frozen=True)
class CachedClients:
    """What stands for boto3's default session: it gives the same client again for the same wish.

    Tests that ask boto3 itself for a client get the one of the functions, hooks and all.
    """

    session: Any
    _clients: dict[tuple[str, Config | None], Any] = field(default_factory=dict, init=False)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client, as ``boto3.client`` does."""
        key = service, config
        if key not in self._clients:
            self._clients[key] = self.session.client(service, config=config)
        return self._clients[key]

    @contextmanager
    def with_hook(self, event: str, hook: Callable[..., object]) -> Iterator[None]:
        """Let botocore call ``hook`` at its event ``event`` of each client, meanwhile."""
        for events in self._all_events():
            events.register(event, hook)
        try:
            yield
        finally:
            # Those that were made meanwhile took it over from the session.
            for events in self._all_events():
                events.unregister(event, hook)

    def _all_events(self) -> list[Any]:
        return [self.session.events, *(client.meta.events for client in self._clients.values())]
