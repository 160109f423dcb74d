"""All that PayNearMe's side consists of, put together."""

from collections.abc import Callable, Mapping
from typing import Any

from local.paynearme_side.access_tokens import AccessTokens
from local.paynearme_side.answers import Carried, RejectedError
from local.paynearme_side.authentication import authenticate
from local.paynearme_side.background import Background
from local.paynearme_side.behaviour import Behaviours
from local.paynearme_side.books import Books
from local.paynearme_side.calls import Calls
from local.paynearme_side.consumer import Consumer
from local.paynearme_side.operations import OPERATIONS, Operations
from local.paynearme_side.outgoing import Outgoing
from local.paynearme_side.payments import Payments
from local.sites import SiteEntries, read_sites


class PayNearMeSide:
    """The state, in one event loop. Every call and every command begins here."""

    def __init__(self, entries: SiteEntries, clock: Callable[[], float]) -> None:
        """Take the secret's sites. ``clock`` gives Unix seconds.

        Raises pydantic's ``ValidationError`` for malformed sites.
        """
        self.clock = clock
        self.sites = read_sites(entries)
        self.background = Background()
        self.behaviours = Behaviours()
        self.outgoing = Outgoing(entries, clock)
        self.access_tokens = AccessTokens(clock)
        self._open()

    def _open(self) -> None:
        self.calls = Calls()
        self.books = Books()
        self.payments = Payments(self.outgoing, self.background, self.clock)
        rest = (self.books, self.payments, self.outgoing, self.background, self.clock)
        self.operations = Operations(*rest)
        self.consumer = Consumer(*rest)

    def set_sites(self, entries: SiteEntries) -> None:
        """Take other sites; raises ``ValidationError`` for malformed ones, and keeps those of before."""
        self.sites = read_sites(entries)
        self.outgoing.set_sites(entries)

    def reset(self) -> None:
        """Forget behaviour, calls, counts and books, and cancel what goes on.

        Sites, the settings of the callbacks, access tokens and their lifetime stay.
        """
        self.background.cancel()
        self.behaviours.forget()
        self.access_tokens.forget_counts()
        self._open()

    def close(self) -> None:
        """Let go and cancel everything."""
        self.background.cancel()
        self.behaviours.let_go()
        self.outgoing.close()

    def carry_out(
        self, operation: str, parameters: Mapping[str, Any] | None, authorization: str | None
    ) -> Carried:
        """Carry out a call, or refuse it. ``parameters`` is None for a body that is no JSON object."""
        try:
            return self._carry_out(operation, parameters, authorization)
        except RejectedError as error:
            return Carried(error.answer)

    def _carry_out(
        self, operation: str, parameters: Mapping[str, Any] | None, authorization: str | None
    ) -> Carried:
        if operation not in OPERATIONS:
            raise RejectedError("Unknown operation", status=404)
        if parameters is None:
            raise RejectedError("The body is not a JSON object", status=400)
        not_text = sorted(name for name, value in parameters.items() if not isinstance(value, str))
        if not_text:
            raise RejectedError(f"Not text: {', '.join(not_text)}", "9400")
        site = authenticate(parameters, authorization, self.sites, self.access_tokens, self.clock())
        return self.operations.carry_out(operation, site, parameters)
