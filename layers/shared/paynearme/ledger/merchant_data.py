"""Write orders and customers for the merchant's backend."""

from datetime import datetime

from paynearme.errors import LedgerUnavailableError, OrderNotRecordedError
from paynearme.ledger import schema
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table, Update
from paynearme.protocol.api_responses import OrderResponse
from paynearme.protocol.create_order import CreatedOrder, CreateOrderRequest
from paynearme.protocol.merchant_input import CustomerInput, OrderInput


def put_order(table: Table, order_input: OrderInput, now: datetime, deadline: Deadline) -> OrderResponse:
    """Replace an order with the merchant's values, and return it. Equal values change nothing.

    Raises ``LedgerUnavailableError``. Costs 2 requests, 1 without a change.
    """
    expires_at = None if order_input.expires_at is None else schema.stored_time(order_input.expires_at)
    key = schema.order_key(order_input.site_identifier, order_input.pnm_order_identifier)
    item = _upsert(table, key, order_input.model_dump() | {"expires_at": expires_at}, now, deadline)
    return OrderResponse.model_validate(item)


def record_created_order(
    table: Table, site_id: str, request: CreateOrderRequest, order: CreatedOrder, now: datetime, deadline: Deadline
) -> None:
    """Store an order that PayNearMe created, unless the merchant has already put it.

    The condition prevents a retry from reopening a closed order. Raises ``OrderNotRecordedError``. Costs 1 request.
    """
    # A minimal response has no amounts.
    minimum = request.minimum_payment_amount if order.minimum_payment_amount is None else order.minimum_payment_amount
    values = {
        "site_identifier": site_id,
        "pnm_order_identifier": order.pnm_order_identifier,
        "status": "open",
        "order_type": request.order_type,
        "order_amount": request.order_amount,
        # PayNearMe returns 0 for an order without a minimum.
        "minimum_payment_amount": minimum if minimum is not None and minimum > 0 else None,
        "merchant_updated_at": schema.stored_time(now),
    }
    key = schema.order_key(site_id, order.pnm_order_identifier)
    try:
        table.update(Update(*key, values, condition="attribute_not_exists(merchant_updated_at)"), deadline)
    except LedgerUnavailableError as error:
        raise OrderNotRecordedError(order.pnm_order_identifier) from error


def put_customer(table: Table, customer_input: CustomerInput, now: datetime, deadline: Deadline) -> None:
    """Replace a customer's settings with the merchant's values. Equal values change nothing.

    The balance and all other attributes that payments set remain. Raises ``LedgerUnavailableError``. Costs 2 requests,
    1 without a change.
    """
    key = schema.account_key(customer_input.site_identifier, customer_input.site_customer_identifier)
    _upsert(table, key, customer_input.model_dump(), now, deadline)


def _upsert(table: Table, key: Key, values: Item, now: datetime, deadline: Deadline) -> Item:
    """Set the attributes ``values`` of an item, remove those that are ``None``, and return the merchant's values.

    An item with equal values remains unchanged, also its ``merchant_updated_at``.
    """
    (existing,) = table.read([key], deadline)
    updated = {name: value for name, value in values.items() if value is not None}
    updated["merchant_updated_at"] = schema.stored_time(now)
    removes = [name for name, value in values.items() if value is None]
    while not all(existing.get(name) == value for name, value in values.items()):
        # A request that timed out can still arrive later. It must not overwrite a newer write.
        condition, condition_values = schema.unchanged(existing, ["merchant_updated_at"])
        change = Update(*key, updated, removes, condition=condition, condition_values=condition_values)
        conflict = table.update(change, deadline)
        if conflict is None:
            return updated
        existing = conflict
    return existing
