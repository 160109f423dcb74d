"""A customer's payments at moments that a test chooses, and what the windows hold of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from paynearme.handlers.callback import callback_handler
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.reversals import Reversal
from tests.support.api_gateway_events import json_event
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation, signed
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, LambdaFunction, LedgerFixture, Response
from tests.support.message_fixtures import valid_reversal

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""A Friday, noon in New York."""

DAY, WEEK, MONTH = "DAY#2026-11-20", "WEEK#2026-W47", "MONTH#2026-11"
"""The windows in which ``NOON`` lies."""

type Transport = Callable[[Mapping[str, str]], ProxyEvent]

_MODELS: dict[str, Any] = {
    "authorize": Authorization,
    "confirm": Confirmation,
    "reverse": Reversal,
}


def send_at(
    now: datetime, function: LambdaFunction, parameters: Mapping[str, str], transport: Transport = json_event
) -> Response:
    """Send a callback to a function when our clock shows ``now``."""
    app = function.app
    operation = app.__name__.split(".")[1]
    decorate = callback_handler(
        operation,
        _MODELS[operation],
        app.settings,
        app.sites,
        fallback=getattr(app, "fallback_response", None),
        clock=lambda: now,
    )
    return Response.parse(decorate(app.handler.__wrapped__)(transport(parameters), None))


def unix_time(now: datetime) -> str:
    """Return the ``timestamp`` of a message that is sent at ``now``."""
    return str(int(now.timestamp()))


def reversal(**changes: str | None) -> dict[str, str]:
    """Return the parameters of the return of 100.00 of the payment of ``signed_callbacks``, signed."""
    defaults: dict[str, str | None] = {"site_customer_identifier": CUSTOMER, "timestamp": unix_time(NOON)}
    return signed(valid_reversal(**(defaults | changes)))


def limit(window: str, amount: str, *payment_types: str) -> dict[str, Any]:
    """Return a policy's spending limit: over all payment types, or over these."""
    return {"window": window, "amount": amount} | ({"payment_types": list(payment_types)} if payment_types else {})


@dataclass(frozen=True)
class PaymentDriver:
    """Payments of 100.00 by credit card, told by number, unless a test says otherwise."""

    authorize_function: LambdaFunction
    confirm_function: LambdaFunction
    ledger_table: LedgerFixture
    now: datetime = NOON

    def at(self, now: datetime) -> Self:
        """Return the same at another time."""
        return replace(self, now=now)

    def authorize(self, payment_id: str = "1", **changes: str | None) -> bool:
        """Return whether a payment is accepted."""
        response = send_at(self.now, self.authorize_function, authorization(**self._defaults(payment_id) | changes))
        assert response.status == 200
        return response.fields["accept_payment"] == "yes"

    def confirm(self, payment_id: str = "1", **changes: str | None) -> None:
        """Tell that a payment was made. Its net amount is its amount, unless ``changes`` say otherwise."""
        fields = self._defaults(payment_id) | changes
        net = {"net_payment_amount": fields["payment_amount"]}
        assert send_at(self.now, self.confirm_function, confirmation(**net | fields)).status == 200

    def decline(self, payment_id: str = "1", **changes: str | None) -> None:
        """Tell that a payment failed."""
        self.confirm(payment_id, **{"status": "decline"} | changes)

    def release(self, payment_id: str = "1") -> bool:
        """Give back what nobody confirmed."""
        deadline = Deadline.after(RESPONSE_TIMEOUT_SECONDS)
        released: bool = self.authorize_function.app.ledger.release(SITE, payment_id, self.now, deadline)
        return released

    def item(self, payment_id: str = "1") -> dict[str, Any]:
        """Return a payment's item."""
        [item] = [item for item in self.ledger_table.payments() if item["pnm_payment_identifier"] == payment_id]
        return item

    def anomalies(self, payment_id: str = "1") -> set[str]:
        """Return what a payment is marked with."""
        return set(self.item(payment_id).get("anomalies", set()))

    def windows(self, customer: str = CUSTOMER, site: str = SITE) -> dict[str, dict[str, Any]]:
        """Return the items of a customer's windows."""
        pk = f"SPENDING#{site}#{customer}"
        return {item["sk"]: item for item in self.ledger_table.all_items() if item["pk"] == pk}

    def spent(self, customer: str = CUSTOMER, of_type: str | None = None) -> dict[str, Decimal]:
        """Return what a customer spent by window, where it is not nothing: in all, or with a payment type."""
        name = "spent" if of_type is None else f"spent_{of_type}"
        windows = self.windows(customer)
        return {window: item[name] for window, item in windows.items() if item.get(name)}

    def _defaults(self, payment_id: str) -> dict[str, str | None]:
        return {
            "pnm_payment_identifier": payment_id,
            "payment_amount": "100.00",
            "timestamp": unix_time(self.now),
        }


def total(amount: str, *windows: str) -> dict[str, Decimal]:
    """Return the same amount for each of the windows: those of ``NOON`` if none is named."""
    return dict.fromkeys(windows or (DAY, WEEK, MONTH), Decimal(amount))
