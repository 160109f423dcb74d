"""Write orders and customers for the merchant's backend."""

from datetime import datetime

from paynearme.errors import LedgerUnavailableError, OrderNotRecordedError
from paynearme.ledger import schema
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table
from paynearme.policy import CustomerStatus, MerchantCustomer, MerchantOrder, OrderStatus, OrderType, WindowKind
from paynearme.protocol.api_responses import OrderResponse
from paynearme.protocol.create_order import CreatedOrder, CreateOrderRequest
from paynearme.protocol.merchant_input import CustomerInput, OrderInput


def put_order(table: Table, order_input: OrderInput, now: datetime, deadline: Deadline) -> OrderResponse:
    """Replace an order with the merchant's values, and return it. Equal values change nothing.

    Raises ``LedgerUnavailableError``. Costs 2 requests, 1 without a change.
    """
    merchant_order = MerchantOrder(
        status=OrderStatus(order_input.status),
        order_type=OrderType(order_input.order_type),
        order_amount=order_input.order_amount,
        minimum_payment_amount=order_input.minimum_payment_amount,
        expires_at=order_input.expires_at,
    )
    key = schema.order_key(order_input.site_identifier, order_input.pnm_order_identifier)
    identifiers = {
        "site_identifier": order_input.site_identifier,
        "pnm_order_identifier": order_input.pnm_order_identifier,
    }
    item = _upsert(table, key, identifiers | schema.order_attributes(merchant_order), now, deadline)
    return OrderResponse.model_validate(item)


def record_created_order(
    table: Table, site_id: str, request: CreateOrderRequest, order: CreatedOrder, now: datetime, deadline: Deadline
) -> None:
    """Store an order that PayNearMe created, unless the merchant has already put it.

    The condition prevents a retry from reopening a closed order. Raises ``OrderNotRecordedError``. Costs 1 request.
    """
    minimum = order.minimum_payment_amount
    new = MerchantOrder(
        status=OrderStatus.OPEN,
        order_type=OrderType(request.order_type),
        order_amount=request.order_amount,
        # PayNearMe returns 0 for an order without a minimum.
        minimum_payment_amount=minimum if minimum is not None and minimum > 0 else None,
        expires_at=None,
    )
    identifiers = {"site_identifier": site_id, "pnm_order_identifier": order.pnm_order_identifier}
    values = identifiers | schema.order_attributes(new) | {"merchant_updated_at": now.isoformat()}
    key = schema.order_key(site_id, order.pnm_order_identifier)
    try:
        table.update(schema.ItemUpdate(*key, values, condition="attribute_not_exists(merchant_updated_at)"), deadline)
    except LedgerUnavailableError as error:
        raise OrderNotRecordedError(order.pnm_order_identifier) from error


def put_customer(table: Table, customer_input: CustomerInput, now: datetime, deadline: Deadline) -> None:
    """Replace a customer's settings with the merchant's values. Equal values change nothing.

    The balance and all other attributes that payments set remain. Raises ``LedgerUnavailableError``. Costs 2 requests,
    1 without a change.
    """
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
    key = schema.account_key(customer_input.site_identifier, customer_input.site_customer_identifier)
    identifiers = {
        "site_identifier": customer_input.site_identifier,
        "site_customer_identifier": customer_input.site_customer_identifier,
    }
    _upsert(table, key, identifiers | schema.customer_attributes(merchant_customer), now, deadline)


def _upsert(table: Table, key: Key, values: Item, now: datetime, deadline: Deadline) -> Item:
    """Set the attributes ``values`` of an item, remove those that are ``None``, and return the merchant's values.

    An item with equal values remains unchanged, also its ``merchant_updated_at``.
    """
    (existing,) = table.read([key], deadline)
    updated = {name: value for name, value in values.items() if value is not None} | {
        "merchant_updated_at": now.isoformat()
    }
    removes = [name for name, value in values.items() if value is None]
    while not all(existing.get(name) == value for name, value in values.items()):
        condition_values = (
            {"merchant_updated_at": existing["merchant_updated_at"]} if "merchant_updated_at" in existing else {}
        )
        # A request that timed out can still arrive later. It must not overwrite a newer write.
        condition = (
            "merchant_updated_at = :merchant_updated_at"
            if condition_values
            else "attribute_not_exists(merchant_updated_at)"
        )
        change = schema.ItemUpdate(*key, updated, removes, condition=condition, condition_values=condition_values)
        conflict = table.update(change, deadline)
        if conflict is None:
            return updated
        existing = conflict
    return existing
