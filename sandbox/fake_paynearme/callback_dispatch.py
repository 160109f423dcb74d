"""Send callbacks from the event loop, with settings that can change at any time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind, complete
from sandbox.fake_paynearme.messages import Parameters
from sandbox.fake_paynearme.sites import SiteEntries, read_sites

_MAX_WORKERS = 64


class CallbackSettings(BaseModel):
    """The settings of the callbacks.

    ``url`` is the callback API. Without it there are no authorizations, and confirmations are deferred.
    ``retry_interval`` is in seconds and applies to unacknowledged confirmations. ``test`` marks authorizations as
    tests, as one sample does. ``defer_confirmations`` defers confirmations until ``POST /control/confirm``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")] | None = None
    retry_interval: float = Field(default=60, ge=0)
    test: bool = False
    defer_confirmations: bool = False


class CallbackDispatcher:
    """Sign and send callbacks according to the current settings."""

    def __init__(self, entries: SiteEntries, clock: Callable[[], float]) -> None:
        """Create a dispatcher for the sites. ``clock`` returns Unix seconds."""
        self.settings = CallbackSettings()
        self._clock = clock
        self._sites = read_sites(entries)
        self._sender: CallbackSender | None = None
        # The default executor has too few threads for a slow merchant and many callbacks.
        self._executor = ThreadPoolExecutor(_MAX_WORKERS, thread_name_prefix="callback")

    def change(self, settings: CallbackSettings) -> None:
        """Change the explicitly set fields of ``settings``, and keep the others."""
        self.settings = self.settings.model_copy(update=settings.model_dump(exclude_unset=True))
        self._rebuild_sender()

    def set_sites(self, entries: SiteEntries) -> None:
        """Replace the sites. Raises pydantic's ``ValidationError`` for an invalid entry."""
        self._sites = read_sites(entries)
        self._rebuild_sender()

    def close(self) -> None:
        """Cancel the callbacks that wait for a thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def complete(self, parameters: Parameters) -> Parameters:
        """Return the signed message. Raises ``KeyError`` if its site was removed."""
        return complete(parameters, self._sites[parameters["site_identifier"]], int(self._clock()))

    async def send(self, kind: Kind, message: Parameters) -> Delivery | None:
        """Send a signed message once. Returns None without a URL."""
        if self._sender is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._sender.deliver, kind, message, "json")

    def _rebuild_sender(self) -> None:
        url = self.settings.url
        self._sender = CallbackSender(url.rstrip("/"), self._sites) if url else None
