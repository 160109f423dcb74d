"""A customer's payments at moments that a test chooses, and what the windows hold of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from paynearme import gateway
from paynearme.deadline import Deadline
from paynearme.messages import Authorization, Confirmation, Reversal
from paynearme.parameters import Event
from tests.events_of_gateway import json_event
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Answer, Function, Stored
from tests.integration.signed_callbacks import CUSTOMER, SITE, authorization, confirmation, signed
from tests.messages import valid_reversal

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""A Friday, noon in New York."""

DAY, WEEK, MONTH = "DAY#2026-11-20", "WEEK#2026-W47", "MONTH#2026-11"
"""The windows in which ``NOON`` lies."""

type Transport = Callable[[Mapping[str, str]], Event]

_MODELS: dict[str, Any] = {
    "authorize": Authorization,
    "confirm": Confirmation,
    "reverse": Reversal,
}


def at(
    now: datetime, function: Function, parameters: Mapping[str, str], transport: Transport = json_event
) -> Answer:
    """Send a callback to a function when our clock shows ``now``."""
    app = function.app
    operation = app.__name__.split(".")[1]
    decorate = gateway.callback(
        operation,
        _MODELS[operation],
        app.settings,
        app.sites,
        when_unavailable=getattr(app, "decline", None),
        clock=lambda: now,
    )
    return Answer.of(decorate(app.handler.__wrapped__)(transport(parameters), None))


def sent(now: datetime) -> str:
    """Return the ``timestamp`` of a message that is sent at ``now``."""
    return str(int(now.timestamp()))


def reversal(**changes: str | None) -> dict[str, str]:
    """Return the parameters of the return of 100.00 of the payment of ``signed_callbacks``, signed."""
    usual: dict[str, str | None] = {"site_customer_identifier": CUSTOMER, "timestamp": sent(NOON)}
    return signed(valid_reversal(**(usual | changes)))


def limit(window: str, amount: str, *payment_types: str) -> dict[str, Any]:
    """Return a policy's spending limit: over all payment types, or over these."""
    return {"window": window, "amount": amount} | (
        {"payment_types": list(payment_types)} if payment_types else {}
    )


@dataclass(frozen=True)
class Payments:
    """Payments of 100.00 by credit card, told by number, unless a test says otherwise."""

    authorize: Function
    confirm: Function
    stored: Stored
    now: datetime = NOON

    def at(self, now: datetime) -> Self:
        """Return the same at another time."""
        return replace(self, now=now)

    def ask(self, number: str = "1", **changes: str | None) -> bool:
        """Return whether a payment is accepted."""
        answer = at(self.now, self.authorize, authorization(**self._usual(number) | changes))
        assert answer.status == 200
        return answer.fields["accept_payment"] == "yes"

    def pay(self, number: str = "1", **changes: str | None) -> None:
        """Tell that a payment was made. Its net amount is its amount, unless ``changes`` say otherwise."""
        usual = self._usual(number) | changes
        net = {"net_payment_amount": usual["payment_amount"]}
        assert at(self.now, self.confirm, confirmation(**net | usual)).status == 200

    def fail(self, number: str = "1", **changes: str | None) -> None:
        """Tell that a payment failed."""
        self.pay(number, **{"status": "decline"} | changes)

    def release(self, number: str = "1") -> bool:
        """Give back what nobody confirmed."""
        deadline = Deadline.after(ANSWER_WITHIN_SECONDS)
        released: bool = self.authorize.app.ledger.release(SITE, number, self.now, deadline)
        return released

    def item(self, number: str = "1") -> dict[str, Any]:
        """Return a payment's item."""
        [item] = [item for item in self.stored.payments() if item["pnm_payment_identifier"] == number]
        return item

    def anomalies(self, number: str = "1") -> set[str]:
        """Return what a payment is marked with."""
        return set(self.item(number).get("anomalies", set()))

    def windows(self, customer: str = CUSTOMER, site: str = SITE) -> dict[str, dict[str, Any]]:
        """Return the items of a customer's windows."""
        pk = f"SPENDING#{site}#{customer}"
        return {item["sk"]: item for item in self.stored.everything() if item["pk"] == pk}

    def spent(self, customer: str = CUSTOMER, of_type: str | None = None) -> dict[str, Decimal]:
        """Return what a customer spent by window, where it is not nothing: in all, or with a payment type."""
        name = "spent" if of_type is None else f"spent_{of_type}"
        windows = self.windows(customer)
        return {window: item[name] for window, item in windows.items() if item.get(name)}

    def _usual(self, number: str) -> dict[str, str | None]:
        return {
            "pnm_payment_identifier": number,
            "payment_amount": "100.00",
            "timestamp": sent(self.now),
        }


def in_all(amount: str, *windows: str) -> dict[str, Decimal]:
    """Return the same amount for each of the windows: those of ``NOON`` if none is named."""
    return dict.fromkeys(windows or (DAY, WEEK, MONTH), Decimal(amount))
