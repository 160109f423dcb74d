"""Create each AWS client once for all tests, because its creation takes longer than most calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.config import Config


@cache
def _validating(config: Config) -> Config:
    return config.merge(Config(parameter_validation=True))


@dataclass(frozen=True)
class CachedClients:
    """Replace the session of the layer and boto3's default session. Return the same client for the same arguments.

    A test that calls ``boto3.client`` gets the hooks of the functions' clients. All clients validate the parameters.
    """

    session: Any
    _clients: dict[tuple[str, Config | None], Any] = field(default_factory=dict, init=False)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client, as ``boto3.client`` does."""
        key = service, config
        if key not in self._clients:
            self._clients[key] = self.session.client(service, config=config)
        return self._clients[key]

    def create_client(self, service: str, config: Config) -> Any:
        """Return a client, as botocore's session does."""
        return self.client(service, _validating(config))

    def get_credentials(self) -> Any:
        """Return the credentials, as botocore's session does."""
        return self.session.get_credentials()

    @contextmanager
    def with_hook(self, event: str, hook: Callable[..., object]) -> Iterator[None]:
        """Register ``hook`` for botocore's event ``event`` of all clients, until the context ends."""
        for events in self._all_events():
            events.register(event, hook)
        try:
            yield
        finally:
            # A client that was created in the context has copied the hook from the session.
            for events in self._all_events():
                events.unregister(event, hook)

    def _all_events(self) -> list[Any]:
        return [self.session.events, *(client.meta.events for client in self._clients.values())]
