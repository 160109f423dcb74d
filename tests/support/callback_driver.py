"""Send callbacks and sweep at times that a test chooses, and read the stored payments and windows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from paynearme.handlers.background import background_handler
from paynearme.handlers.callback import callback_handler
from paynearme.ledger.release import release
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.reversals import Reversal
from tests.support.api_gateway_events import json_event
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation, signed
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, WINDOW_TOTAL, LambdaFunction, LedgerFixture, Response
from tests.support.message_fixtures import valid_reversal

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""A Friday, noon in New York."""

DAY, WEEK, MONTH = "day_2026_11_20", "week_2026_W47", "month_2026_11"
"""The attributes with the totals of the windows that contain ``NOON``."""

BEFORE_OVERDUE = NOON + timedelta(minutes=59)
OVERDUE = NOON + timedelta(minutes=60)
BEFORE_RELEASE = NOON + timedelta(hours=23, minutes=59)
RELEASE_DUE = NOON + timedelta(hours=24)

type Transport = Callable[[Mapping[str, str]], ProxyEvent]

_MODELS: dict[str, Any] = {"authorize": Authorization, "confirm": Confirmation, "reverse": Reversal}


def send_at(
    now: datetime, function: LambdaFunction, parameters: Mapping[str, str], transport: Transport = json_event
) -> Response:
    """Send a callback to a function with the clock at ``now``."""
    app = function.app
    operation = app.__name__.split(".")[1]
    decorate = callback_handler(
        operation,
        _MODELS[operation],
        app.settings,
        app.sites,
        app.table,
        acknowledge=getattr(app, "acknowledge", None),
        decline=getattr(app, "decline", None),
        clock=lambda: now,
    )
    return Response.parse(decorate(app.handler.__wrapped__)(transport(parameters), None))


def unix_time(now: datetime) -> str:
    """Return the ``timestamp`` of a message that is sent at ``now``."""
    return str(int(now.timestamp()))


def reversal(**changes: str | None) -> dict[str, str]:
    """Return the signed parameters of a bank return of 100.00 of the payment of ``callback_fixtures``."""
    defaults: dict[str, str | None] = {"site_customer_identifier": CUSTOMER, "timestamp": unix_time(NOON)}
    return signed(valid_reversal(**(defaults | changes)))


def limit(window: str, amount: str, *payment_types: str) -> dict[str, Any]:
    """Return a policy's spending limit for some payment types, or for all."""
    return {"window": window, "amount": amount} | ({"payment_types": list(payment_types)} if payment_types else {})


def total(amount: str, *windows: str) -> dict[str, Decimal]:
    """Return an amount for each window. Default: the windows of ``NOON``."""
    return dict.fromkeys(windows or (DAY, WEEK, MONTH), Decimal(amount))


@dataclass(frozen=True)
class CallbackDriver:
    """Callbacks for payments of 100.00 by credit card at ``now``, and sweeps of the unconfirmed payments."""

    authorize_function: LambdaFunction
    confirm_function: LambdaFunction
    sweep_function: LambdaFunction
    ledger_table: LedgerFixture
    now: datetime = NOON

    def at(self, now: datetime) -> Self:
        """Return the driver with another time."""
        return replace(self, now=now)

    def authorize(self, payment_id: str = "1", **changes: str | None) -> bool:
        """Return whether the payment is accepted."""
        response = send_at(self.now, self.authorize_function, authorization(**self._defaults(payment_id) | changes))
        assert response.status == 200
        return response.fields["accept_payment"] == "yes"

    def confirm(self, payment_id: str = "1", **changes: str | None) -> None:
        """Confirm the payment as paid. The default of the net amount is the amount."""
        fields = self._defaults(payment_id) | changes
        net = {"net_payment_amount": fields["payment_amount"]}
        assert send_at(self.now, self.confirm_function, confirmation(**net | fields)).status == 200

    def decline(self, payment_id: str = "1", **changes: str | None) -> None:
        """Confirm the payment as declined."""
        self.confirm(payment_id, **{"status": "decline"} | changes)

    def release(self, payment_id: str = "1") -> bool:
        """Release the payment's reservation."""
        deadline = Deadline.after(RESPONSE_TIMEOUT_SECONDS)
        return release(self.authorize_function.app.table, SITE, payment_id, self.now, deadline)

    def sweep(self, now: datetime) -> None:
        """Sweep with the clock at ``now``."""
        handler = self.sweep_function.app.handler.__wrapped__
        background_handler("sweep_unconfirmed", clock=lambda: now)(handler)({}, None)

    def pending(self) -> dict[str, str]:
        """Return ``pending_since`` of all payments in the index, by payment."""
        items = self.ledger_table.client.scan(TableName=self.ledger_table.table_name, IndexName="pending")["Items"]
        return {item["pnm_payment_identifier"]["S"]: item["pending_since"]["S"] for item in items}

    def item(self, payment_id: str = "1") -> dict[str, Any]:
        """Return a payment's item."""
        [item] = [item for item in self.ledger_table.payments() if item["pnm_payment_identifier"] == payment_id]
        return item

    def anomalies(self, payment_id: str = "1") -> set[str]:
        """Return a payment's anomalies."""
        return set(self.item(payment_id).get("anomalies", set()))

    def spending(self, customer: str = CUSTOMER) -> dict[str, Any]:
        """Return a customer's spending item, or an empty one."""
        pk = f"SPENDING#{SITE}#{customer}"
        return next((item for item in self.ledger_table.all_items() if item["pk"] == pk), {})

    def spent(self, customer: str = CUSTOMER, of_type: str | None = None) -> dict[str, Decimal]:
        """Return a customer's spending by window without zeros, in total or of one payment type."""
        suffix = "" if of_type is None else f"_{of_type}"
        item = self.spending(customer)
        amounts = {window: item.get(f"{window}{suffix}") for window in item if WINDOW_TOTAL.fullmatch(window)}
        return {window: amount for window, amount in amounts.items() if amount}

    def _defaults(self, payment_id: str) -> dict[str, str | None]:
        return {"pnm_payment_identifier": payment_id, "payment_amount": "100.00", "timestamp": unix_time(self.now)}
