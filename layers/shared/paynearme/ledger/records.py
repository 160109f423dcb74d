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
    MerchantCustomer,
    CustomerStatus,
    MerchantOrder,
    OrderStatus,
    OrderType,
    SitePolicy,
    Window,
    WindowKind,
    windows_at,
)
from paynearme.policy.calendar import local_date, within_days
from paynearme.policy.document import MAX_DAYS, Frequency
from paynearme.table import Item, Key, Table, Update

_REVERSAL = "reversal_"


def put_order(table: Table, order_input: OrderInput, now: datetime, deadline: Deadline) -> OrderResponse:
    """See ``Ledger.put_order``."""
    merchant_order = MerchantOrder(
        status=OrderStatus(order_input.status),
        order_type=OrderType(order_input.order_type),
        order_amount=order_input.order_amount,
        minimum_payment_amount=order_input.minimum_payment_amount,
        expires_at=order_input.expires_at,
    )
    key = items.order_key(order_input.site_identifier, order_input.pnm_order_identifier)
    identifiers = {
        "site_identifier": order_input.site_identifier,
        "pnm_order_identifier": order_input.pnm_order_identifier,
    }
    item = _upsert(table, key, identifiers | items.order_attributes(merchant_order), now, deadline)
    return OrderResponse.model_validate(item)


def record_created_order(
    table: Table,
    site_id: str,
    request: CreateOrderRequest,
    order: CreatedOrder,
    now: datetime,
    deadline: Deadline,
) -> None:
    """See ``Ledger.add_order``."""
    minimum = order.minimum_payment_amount
    new = MerchantOrder(
        status=OrderStatus.OPEN,
        order_type=OrderType(request.order_type),
        order_amount=request.order_amount,
        # Nothing is no minimum.
        minimum_payment_amount=minimum if minimum is not None and minimum > 0 else None,
        expires_at=None,
    )
    identifiers = {"site_identifier": site_id, "pnm_order_identifier": order.pnm_order_identifier}
    values = identifiers | items.order_attributes(new) | {"merchant_updated_at": now.isoformat()}
    key = items.order_key(site_id, order.pnm_order_identifier)
    try:
        table.update(Update(*key, values, condition="attribute_not_exists(merchant_updated_at)"), deadline)
    except LedgerUnavailableError as error:
        raise OrderNotRecordedError(order.pnm_order_identifier) from error


def order(table: Table, site_id: str, pnm_order_identifier: str, deadline: Deadline) -> OrderResponse | None:
    """See ``Ledger.order``."""
    (item,) = table.read([items.order_key(site_id, pnm_order_identifier)], deadline)
    return OrderResponse.model_validate(item) if items.parse_order(item) else None


def put_customer(table: Table, customer_input: CustomerInput, now: datetime, deadline: Deadline) -> None:
    """See ``Ledger.put_customer``."""
    limits = {
        WindowKind.DAY: customer_input.self_imposed_day_limit,
        WindowKind.WEEK: customer_input.self_imposed_week_limit,
        WindowKind.MONTH: customer_input.self_imposed_month_limit,
    }
    merchant_customer = MerchantCustomer(
        status=CustomerStatus(customer_input.status),
        suspended_reason=customer_input.suspended_reason,
        self_imposed_limits={window: limit for window, limit in limits.items() if limit is not None},
    )
    key = items.account_key(customer_input.site_identifier, customer_input.site_customer_identifier)
    identifiers = {
        "site_identifier": customer_input.site_identifier,
        "site_customer_identifier": customer_input.site_customer_identifier,
    }
    _upsert(table, key, identifiers | items.customer_attributes(merchant_customer), now, deadline)


def customer(
    table: Table,
    site_id: str,
    site_customer_identifier: str,
    policy: SitePolicy,
    now: datetime,
    deadline: Deadline,
) -> CustomerResponse | None:
    """See ``Ledger.customer``."""
    windows = windows_at(now, policy.zone)
    days = [rule.within_days if rule else MAX_DAYS for rule in (policy.chargebacks, policy.returns)]
    today = local_date(now, UTC)
    oldest = date.fromordinal(today.toordinal() - max(days) + 1)
    keys: list[Key] = [items.account_key(site_id, site_customer_identifier)]
    keys += [
        spending.window_key(site_id, site_customer_identifier, name) for name in spending.sort_keys(windows)
    ]
    keys += [
        items.reversals_key(site_id, site_customer_identifier, year)
        for year in range(oldest.year, today.year + 1)
    ]
    account, *remaining = table.read(keys, deadline)
    window_items, reversals = remaining[: len(windows)], remaining[len(windows) :]
    if not any((account, *remaining)):
        return None

    def recent_count(attribute: str, rule: Frequency | None) -> RecentCount:
        max_days = rule.within_days if rule else MAX_DAYS
        counts = items.counts_by_day(reversals, attribute)
        return RecentCount(count=within_days(counts.items(), today, max_days), within_days=max_days)

    return CustomerResponse.model_validate(
        account
        | {
            "site_identifier": site_id,
            "site_customer_identifier": site_customer_identifier,
            "spending": _spending(policy, windows, window_items),
            "chargebacks": recent_count("chargebacks", policy.chargebacks),
            "returns": recent_count("returns", policy.returns),
        }
    )


def payment(
    table: Table, site_id: str, pnm_payment_identifier: str, deadline: Deadline, *, test: bool
) -> PaymentResponse | None:
    """See ``Ledger.payment``."""
    (item,) = table.read([items.payment_key(site_id, pnm_payment_identifier, test=test)], deadline)
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
            "reservation": _reservation(item),
            "anomalies": sorted(item.get("anomalies", ())),
            "reversals": sorted(reversals, key=lambda reversal: reversal.at),
        }
    )


def _upsert(table: Table, key: Key, values: Item, now: datetime, deadline: Deadline) -> Item:
    """Make an item hold ``values``, none of those that are None; return what is known of what was fed.

    An item that does so already is left alone, with the time at which it came to.
    """
    (existing,) = table.read([key], deadline)
    updated = {name: value for name, value in values.items() if value is not None} | {"merchant_updated_at": now.isoformat()}
    removes = [name for name, value in values.items() if value is None]
    while not all(existing.get(name) == value for name, value in values.items()):
        condition_values = {"merchant_updated_at": existing["merchant_updated_at"]} if "merchant_updated_at" in existing else {}
        # A write that was given up may still come: then it must not undo a later one.
        condition = "merchant_updated_at = :merchant_updated_at" if condition_values else "attribute_not_exists(merchant_updated_at)"
        change = Update(*key, updated, removes, condition=condition, condition_values=condition_values)
        conflict = table.update(change, deadline)
        if conflict is None:
            return updated
        existing = conflict
    return existing


def _spending(policy: SitePolicy, windows: Sequence[Window], window_items: Sequence[Item]) -> SpendingResponse:
    windows_by_kind = {window.kind: _window(window, item) for window, item in zip(windows, window_items, strict=True)}
    return SpendingResponse(
        time_zone=policy.time_zone,
        day=windows_by_kind[WindowKind.DAY],
        week=windows_by_kind[WindowKind.WEEK],
        month=windows_by_kind[WindowKind.MONTH],
    )


def _window(window: Window, item: Item) -> WindowResponse:
    totals = spending.window_totals(item)
    by_type = {str(name): amount for name, amount in totals.by_type.items() if amount}
    return WindowResponse(window=window.name, spent=totals.total, by_payment_type=by_type)


def _reservation(item: Item) -> ReservationResponse | None:
    reservation = spending.reservation_of(item)
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
