"""The callbacks on their way out: signed once, sent without blocking the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sandbox.clients.callback_sender import CallbackSender, Delivery, Kind
from sandbox.clients.sample_messages import Parameters, signed
from sandbox.stack.sites import SiteEntries, read_sites

_MAX_WORKERS = 64


class CallbackSettings(BaseModel):
    """Where the callbacks go, and how.

    ``url`` is the callback API's address, None if the site has none: then there is no authorization, and
    confirmations are kept. ``minute`` is the seconds between two deliveries of a confirmation that is not
    acknowledged. ``test`` marks authorizations as tests, as the guide's example with saved bank details is.
    ``defer_confirmations`` keeps confirmations until they are asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")] | None = None
    retry_interval: float = Field(default=60, ge=0)
    test: bool = False
    defer_confirmations: bool = False


class CallbackDispatcher:
    """Sends callbacks as the settings say, which can change at any time."""

    def __init__(self, entries: SiteEntries, clock: Callable[[], float]) -> None:
        """Take the secret's sites; the keys sign. ``clock`` gives Unix seconds."""
        self.settings = CallbackSettings()
        self._clock = clock
        self._entries, self._sites = entries, read_sites(entries)
        self._sender: CallbackSender | None = None
        # The event loop's own threads are too few for a merchant that lets many callbacks wait.
        self._executor = ThreadPoolExecutor(_MAX_WORKERS, thread_name_prefix="callback")

    def change(self, settings: CallbackSettings) -> None:
        """Change what ``settings`` name, and nothing else."""
        self.settings = self.settings.model_copy(update=settings.model_dump(exclude_unset=True))
        self._rebuild_sender()

    def set_sites(self, entries: SiteEntries) -> None:
        """Take other sites."""
        self._entries, self._sites = entries, read_sites(entries)
        self._rebuild_sender()

    def close(self) -> None:
        """Send nothing any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def complete(self, parameters: Parameters) -> Parameters:
        """Return the message with timestamp, version and signature of now.

        Raises ``KeyError`` for a site that is unknown by now.
        """
        site = self._sites[parameters["site_identifier"]]
        text = signed(parameters, site.secret.get_secret_value(), site.version, int(self._clock()))
        # The rest stays as it was: a boolean is one in JSON.
        return {**parameters, **{name: text[name] for name in ("timestamp", "version", "signature")}}

    async def send(self, kind: Kind, message: Parameters) -> Delivery | None:
        """Send a complete message once; None if there is no address to send it to."""
        if self._sender is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._sender.deliver, kind, message, "json")

    def _rebuild_sender(self) -> None:
        url = self.settings.url
        self._sender = CallbackSender(url.rstrip("/"), self._entries) if url else None
