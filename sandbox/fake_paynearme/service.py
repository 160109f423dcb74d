"""The state of the fake PayNearMe, and the entry point of every request."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.fake_paynearme.authentication import authenticate
from sandbox.fake_paynearme.background_tasks import BackgroundTasks
from sandbox.fake_paynearme.call_log import CallLog
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.consumer import Consumer
from sandbox.fake_paynearme.fault_modes import Behaviours
from sandbox.fake_paynearme.oauth_server import AccessTokens
from sandbox.fake_paynearme.operations import OPERATIONS, Operations
from sandbox.fake_paynearme.payments import Payments
from sandbox.fake_paynearme.responses import PendingResult, RejectedError
from sandbox.fake_paynearme.sites import SiteEntries, read_sites
from sandbox.fake_paynearme.store import Store


class FakePayNearMe:
    """The state of the fake PayNearMe. It belongs to one event loop."""

    def __init__(self, entries: SiteEntries, clock: Callable[[], float]) -> None:
        """Create the state for the sites. ``clock`` returns Unix seconds.

        Raises pydantic's ``ValidationError`` for an invalid site.
        """
        self.clock = clock
        self.sites = read_sites(entries)
        self.background_tasks = BackgroundTasks()
        self.behaviours = Behaviours()
        self.dispatcher = CallbackDispatcher(self.sites, clock)
        self.access_tokens = AccessTokens(clock)
        self._reset_state()

    def _reset_state(self) -> None:
        self.calls = CallLog()
        self.store = Store()
        self.payments = Payments(self.dispatcher, self.background_tasks, self.clock)
        dependencies = (self.store, self.payments, self.dispatcher, self.background_tasks, self.clock)
        self.operations = Operations(*dependencies)
        self.consumer = Consumer(*dependencies)

    def set_sites(self, entries: SiteEntries) -> None:
        """Replace the sites. Raises pydantic's ``ValidationError`` for an invalid site, and keeps the old ones."""
        self.sites = read_sites(entries)
        self.dispatcher.set_sites(self.sites)

    def reset(self) -> None:
        """Delete behaviours, calls, counts and the store, and cancel all tasks.

        The sites, the settings of the callbacks, the access tokens and their lifetime stay.
        """
        self.background_tasks.cancel()
        self.behaviours.clear()
        self.access_tokens.reset_counts()
        self._reset_state()

    def close(self) -> None:
        """Cancel all tasks and release the waiting requests."""
        self.background_tasks.cancel()
        self.behaviours.release()
        self.dispatcher.close()

    def process(self, operation: str, parameters: Mapping[str, Any] | None, authorization: str | None) -> PendingResult:
        """Process or reject an API request. ``parameters`` is None if the body is not a JSON object."""
        try:
            return self._process(operation, parameters, authorization)
        except RejectedError as error:
            return PendingResult(error.response)

    def _process(
        self, operation: str, parameters: Mapping[str, Any] | None, authorization: str | None
    ) -> PendingResult:
        if operation not in OPERATIONS:
            raise RejectedError("Unknown operation", status=404)
        if parameters is None:
            raise RejectedError("The body is not a JSON object", status=400)
        not_text = sorted(name for name, value in parameters.items() if not isinstance(value, str))
        if not_text:
            raise RejectedError(f"Not text: {', '.join(not_text)}", "9400")
        site = authenticate(parameters, authorization, self.sites, self.access_tokens, self.clock())
        return self.operations.process(operation, site, parameters)
