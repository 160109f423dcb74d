"""What the merchant's backend feeds, and what it is told: the books from the merchant's side."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError, OrderNotRecordedError
from paynearme.ledger import items, spending
from paynearme.messages.create_order import CreatedOrder, CreateOrderRequest
from paynearme.messages.entries import CustomerInput, OrderInput
from paynearme.messages.records import (
    RecentCount,
    CustomerResponse,
    ReservationResponse,
    OrderResponse,
    PaymentResponse,
    ReversalDetails,
    SpendingResponse,
    WindowResponse,
)
from paynearme.policy import (
    Customer,
    CustomerStatus,
    Order,
    OrderStatus,
    OrderType,
    SitePolicy,
    Window,
    WindowKind,
    windows_at,
)
from paynearme.policy.calendar import local_date, within_days
from paynearme.policy.document import MOST_DAYS, Frequency
from paynearme.table import Item, Key, Table, Update

_REVERSAL = "reversal_"


def put_order(table: Table, entry: OrderInput, now: datetime, deadline: Deadline) -> OrderResponse:
    """See ``Ledger.put_order``."""
    fed = Order(
        status=OrderStatus(entry.status),
        order_type=OrderType(entry.order_type),
        order_amount=entry.order_amount,
        minimum_payment_amount=entry.minimum_payment_amount,
        expires_at=entry.expires_at,
    )
    key = items.order_key(entry.site_identifier, entry.pnm_order_identifier)
    identity = {
        "site_identifier": entry.site_identifier,
        "pnm_order_identifier": entry.pnm_order_identifier,
    }
    item = _put(table, key, identity | items.order_values(fed), now, deadline)
    return OrderResponse.model_validate(item)


def add_order(
    table: Table,
    site: str,
    asked: CreateOrderRequest,
    order: CreatedOrder,
    now: datetime,
    deadline: Deadline,
) -> None:
    """See ``Ledger.add_order``."""
    minimum = order.minimum_payment_amount
    new = Order(
        status=OrderStatus.OPEN,
        order_type=OrderType(asked.order_type),
        order_amount=asked.order_amount,
        # Nothing is no minimum.
        minimum_payment_amount=minimum if minimum is not None and minimum > 0 else None,
        expires_at=None,
    )
    identity = {"site_identifier": site, "pnm_order_identifier": order.pnm_order_identifier}
    values = identity | items.order_values(new) | {"merchant_updated_at": now.isoformat()}
    key = items.order_key(site, order.pnm_order_identifier)
    try:
        table.update(Update(*key, values, condition="attribute_not_exists(merchant_updated_at)"), deadline)
    except LedgerUnavailableError as error:
        raise OrderNotRecordedError(order.pnm_order_identifier) from error


def order(table: Table, site: str, pnm_order_identifier: str, deadline: Deadline) -> OrderResponse | None:
    """See ``Ledger.order``."""
    (item,) = table.read([items.order_key(site, pnm_order_identifier)], deadline)
    return OrderResponse.model_validate(item) if items.order_of(item) else None


def put_customer(table: Table, entry: CustomerInput, now: datetime, deadline: Deadline) -> None:
    """See ``Ledger.put_customer``."""
    limits = {
        WindowKind.DAY: entry.self_imposed_day_limit,
        WindowKind.WEEK: entry.self_imposed_week_limit,
        WindowKind.MONTH: entry.self_imposed_month_limit,
    }
    fed = Customer(
        status=CustomerStatus(entry.status),
        suspended_reason=entry.suspended_reason,
        self_imposed_limits={window: limit for window, limit in limits.items() if limit is not None},
    )
    key = items.account_key(entry.site_identifier, entry.site_customer_identifier)
    identity = {
        "site_identifier": entry.site_identifier,
        "site_customer_identifier": entry.site_customer_identifier,
    }
    _put(table, key, identity | items.customer_values(fed), now, deadline)


def customer(
    table: Table,
    site: str,
    site_customer_identifier: str,
    policy: SitePolicy,
    now: datetime,
    deadline: Deadline,
) -> CustomerResponse | None:
    """See ``Ledger.customer``."""
    windows = windows_at(now, policy.zone)
    days = [rule.within_days if rule else MOST_DAYS for rule in (policy.chargebacks, policy.returns)]
    today = local_date(now, UTC)
    oldest = date.fromordinal(today.toordinal() - max(days) + 1)
    keys: list[Key] = [items.account_key(site, site_customer_identifier)]
    keys += [
        spending.window_key(site, site_customer_identifier, name) for name in spending.sort_keys(windows)
    ]
    keys += [
        items.reversals_key(site, site_customer_identifier, year)
        for year in range(oldest.year, today.year + 1)
    ]
    account, *rest = table.read(keys, deadline)
    spent, reversals = rest[: len(windows)], rest[len(windows) :]
    if not any((account, *rest)):
        return None

    def counted(what: str, rule: Frequency | None) -> RecentCount:
        number = rule.within_days if rule else MOST_DAYS
        days = items.counted_by_day(reversals, what)
        return RecentCount(count=within_days(days.items(), today, number), within_days=number)

    return CustomerResponse.model_validate(
        account
        | {
            "site_identifier": site,
            "site_customer_identifier": site_customer_identifier,
            "spending": _spending(policy, windows, spent),
            "chargebacks": counted("chargebacks", policy.chargebacks),
            "returns": counted("returns", policy.returns),
        }
    )


def payment(
    table: Table, site: str, pnm_payment_identifier: str, deadline: Deadline, *, test: bool
) -> PaymentResponse | None:
    """See ``Ledger.payment``."""
    (item,) = table.read([items.payment_key(site, pnm_payment_identifier, test=test)], deadline)
    if not item:
        return None
    reversals = [
        ReversalDetails.model_validate(value)
        for name, value in item.items()
        if name.startswith(_REVERSAL) and isinstance(value, dict)
    ]
    return PaymentResponse.model_validate(
        item
        | {
            "reservation": _held(item),
            "anomalies": sorted(item.get("anomalies", ())),
            "reversals": sorted(reversals, key=lambda reversal: reversal.at),
        }
    )


def _put(table: Table, key: Key, values: Item, now: datetime, deadline: Deadline) -> Item:
    """Make an item hold ``values``, none of those that are None; return what is known of what was fed.

    An item that does so already is left alone, with the time at which it came to.
    """
    (before,) = table.read([key], deadline)
    after = {name: value for name, value in values.items() if value is not None} | {"merchant_updated_at": now.isoformat()}
    removes = [name for name, value in values.items() if value is None]
    while not all(before.get(name) == value for name, value in values.items()):
        seen = {"merchant_updated_at": before["merchant_updated_at"]} if "merchant_updated_at" in before else {}
        # A write that was given up may still come: then it must not undo a later one.
        condition = "merchant_updated_at = :merchant_updated_at" if seen else "attribute_not_exists(merchant_updated_at)"
        change = Update(*key, after, removes, condition=condition, condition_values=seen)
        refused = table.update(change, deadline)
        if refused is None:
            return after
        before = refused
    return before


def _spending(policy: SitePolicy, windows: Sequence[Window], spent: Sequence[Item]) -> SpendingResponse:
    records = {window.kind: _window(window, item) for window, item in zip(windows, spent, strict=True)}
    return SpendingResponse(
        time_zone=policy.time_zone,
        day=records[WindowKind.DAY],
        week=records[WindowKind.WEEK],
        month=records[WindowKind.MONTH],
    )


def _window(window: Window, item: Item) -> WindowResponse:
    seen = spending.spending_in(item)
    by_type = {str(name): amount for name, amount in seen.by_type.items() if amount}
    return WindowResponse(window=window.name, spent=seen.total, by_payment_type=by_type)


def _held(item: Item) -> ReservationResponse | None:
    reservation = spending.held_by(item)
    if reservation is None:
        return None
    names = [sort_key.split("#", 1) for sort_key in reservation.windows]
    return ReservationResponse.model_validate(
        {
            "site_customer_identifier": reservation.customer,
            "amount": reservation.amount,
            "payment_type": str(reservation.type_name),
            "windows": {kind.lower(): name for kind, name in names},
        }
    )
