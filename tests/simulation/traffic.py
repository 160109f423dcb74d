"""The values of the simulation's actions: PayNearMe's messages, policies and the merchant's data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal

type Parameters = Mapping[str, str | None]
type Content = Authorization | Confirmation | Reversal

TYPES = {"cash": "cash", "credit": "credit", "debit": "debit", "zelle": "other", None: "none"}
"""Policy names of payment types by parameter value."""
ORDERS = ("8001", "8002")
WINDOWS = ("day", "week", "month")
REASONS = (
    "order_unknown",
    "order_closed",
    "customer_unknown",
    "customer_suspended",
    "too_many_chargebacks",
    "too_many_returns",
    *(f"{window}_limit_exceeded" for window in WINDOWS),
    *(f"self_imposed_{window}_limit_exceeded" for window in WINDOWS),
)
"""The reasons for a decline, in the order of evaluation."""
CHANGES: Mapping[str, Parameters] = {
    "": {},
    "amount": {"payment_amount": "50.00"},
    "customer": {"site_customer_identifier": "bob"},
    "no customer": {"site_customer_identifier": None},
    "no type": {"payment_type": None},
    "order": {"pnm_order_identifier": "8003"},
    "test": {"test": "true"},
}
"""Differences between a message and its payment, by description."""


_NEW_YORK = {"time_zone": "America/New_York", "unknown_order": "accept", "unknown_customer": "accept"}


def _limit(window: str, amount: str, *payment_types: str) -> dict[str, Any]:
    return {"window": window, "amount": amount, "payment_types": list(payment_types) or None}


POLICIES: Mapping[str, Mapping[str, Any]] = {
    "day 150": _NEW_YORK | {"spending_limits": [_limit("day", "150")]},
    "no limit": _NEW_YORK,
    "two limits": _NEW_YORK | {"spending_limits": [_limit("day", "100", "cash", "credit"), _limit("week", "250")]},
    "month on Kiritimati": _NEW_YORK
    | {
        "time_zone": "Pacific/Kiritimati",
        "spending_limits": [_limit("month", "200"), _limit("day", "60", "other", "none")],
    },
    "few reversals": _NEW_YORK
    | {"spending_limits": [_limit("week", "160", "cash", "credit", "none")], "time_zone": "Pacific/Pago_Pago"}
    | {"chargebacks": {"max_count": 0, "within_days": 2}, "returns": {"max_count": 1, "within_days": 30}},
    "known only": _NEW_YORK | {"unknown_order": "decline", "unknown_customer": "decline"},
}
"""The defaults of policy documents, by description. Their local dates differ by up to two days."""


@dataclass(frozen=True)
class Received:
    """The content of a message. ``payment_type`` is the policy's name of the type."""

    customer: str | None
    amount: Decimal
    payment_type: str
    order: str
    net: Decimal | None = field(compare=False)


@dataclass(eq=False)
class Message:
    """A callback of PayNearMe. ``acknowledged``: PayNearMe does not send it again by itself."""

    payment_id: str
    received: Received
    content: Content
    parameters: Mapping[str, str]
    identity: frozenset[tuple[str, str]]
    """The parameters without the time. Duplicates have the same ones."""
    acknowledged: bool = False


@dataclass(eq=False)
class Delivery:
    """One invocation for a message. ``policy`` is the defaults of a policy document, or ``None``."""

    message: Message
    policy: Mapping[str, Any] | None
    now: datetime
    customers: list[object] = field(default_factory=list)
    """The merchant's data of the customer at each of the invocation's requests."""
    allowed_reasons: set[str] = field(default_factory=set)
    """Reasons for a decline that applied at one of the invocation's requests."""
    constant_reasons: set[str] = field(default_factory=lambda: set(REASONS))
    """Reasons for a decline that applied at all of the invocation's requests."""

    @property
    def local_day(self) -> date:
        """Return the date in the time zone of the policy."""
        assert self.policy is not None
        return self.now.astimezone(ZoneInfo(self.policy["time_zone"])).date()


def authorization(parameters: Parameters) -> Message:
    """Return the authorization of a payment. It contains the net amount if it contains the payment type."""
    amount = Decimal(parameters["payment_amount"] or 0)
    changes = {"net_payment_amount": str(amount - 5), "net_payment_currency": "USD"}
    return _message(
        Authorization, parameters, valid_authorization(**parameters, **(changes if parameters["payment_type"] else {}))
    )


def confirmation(parameters: Parameters, status: str, fee: str) -> Message:
    """Return the confirmation of a payment with the outcome ``status``."""
    net = Decimal(parameters["payment_amount"] or 0) - Decimal(fee)
    changes = {"status": status, "net_payment_amount": str(net)}
    return _message(Confirmation, parameters, valid_confirmation(**parameters, **changes))


def reversal(parameters: Parameters, amount: str, kind: str) -> Message:
    """Return a reversal of a payment."""
    # The quarantine does not store the reason.
    changes = {"reverse_amount": amount, "reverse_type": kind, "reverse_code": None, "reverse_reason": "returned"}
    return _message(Reversal, parameters, valid_reversal(**parameters, **changes))


def _message(model: type[Content], parameters: Parameters, sent: Mapping[str, str]) -> Message:
    content = read_message(model, sent)
    amount = content.amount if isinstance(content, Reversal) else content.payment_amount or Decimal(0)
    net = None if isinstance(content, Reversal) else content.net_payment_amount
    payment_type, customer = TYPES[parameters["payment_type"]], content.site_customer_identifier
    received = Received(customer, amount, payment_type, content.pnm_order_identifier, net)
    identity = frozenset(item for item in sent.items() if item[0] != "timestamp")
    return Message(content.pnm_payment_identifier, received, content, sent, identity)


def windows_of(day: date) -> tuple[str, str, str]:
    """Return the attributes with the totals of the day, and of its week and month."""
    year, week, _ = day.isocalendar()
    return (f"day_{day:%Y_%m_%d}", f"week_{year}_W{week:02}", f"month_{day:%Y_%m}")
