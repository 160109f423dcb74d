"""All that PayNearMe's side consists of, put together."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.fake_paynearme.authentication import authenticate
from sandbox.fake_paynearme.call_log import CallLog
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.consumer import Consumer
from sandbox.fake_paynearme.fault_modes import Behaviours
from sandbox.fake_paynearme.oauth_server import AccessTokens
from sandbox.fake_paynearme.operations import OPERATIONS, Operations
from sandbox.fake_paynearme.payments import Payments
from sandbox.fake_paynearme.responses import PendingResult, RejectedError
from sandbox.fake_paynearme.store import Store
from sandbox.fake_paynearme.task_group import TaskGroup
from sandbox.stack.sites import SiteEntries, read_sites


class FakePayNearMe:
    """The state, in one event loop. Every call and every command begins here."""

    def __init__(self, entries: SiteEntries, clock: Callable[[], float]) -> None:
        """Take the secret's sites. ``clock`` gives Unix seconds.

        Raises pydantic's ``ValidationError`` for malformed sites.
        """
        self.clock = clock
        self.sites = read_sites(entries)
        self.task_group = TaskGroup()
        self.behaviours = Behaviours()
        self.dispatcher = CallbackDispatcher(entries, clock)
        self.access_tokens = AccessTokens(clock)
        self._reset_state()

    def _reset_state(self) -> None:
        self.calls = CallLog()
        self.store = Store()
        self.payments = Payments(self.dispatcher, self.task_group, self.clock)
        dependencies = (self.store, self.payments, self.dispatcher, self.task_group, self.clock)
        self.operations = Operations(*dependencies)
        self.consumer = Consumer(*dependencies)

    def set_sites(self, entries: SiteEntries) -> None:
        """Take other sites; raises ``ValidationError`` for malformed ones, and keeps those of before."""
        self.sites = read_sites(entries)
        self.dispatcher.set_sites(entries)

    def reset(self) -> None:
        """Forget behaviour, calls, counts and books, and cancel what goes on.

        Sites, the settings of the callbacks, access tokens and their lifetime stay.
        """
        self.task_group.cancel()
        self.behaviours.clear()
        self.access_tokens.reset_counts()
        self._reset_state()

    def close(self) -> None:
        """Let go and cancel everything."""
        self.task_group.cancel()
        self.behaviours.release()
        self.dispatcher.close()

    def process(self, operation: str, parameters: Mapping[str, Any] | None, authorization: str | None) -> PendingResult:
        """Carry out a call, or refuse it. ``parameters`` is None for a body that is no JSON object."""
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
