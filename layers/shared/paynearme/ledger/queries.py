"""Read orders, customers and payments for the merchant's backend."""

from datetime import UTC, datetime
from typing import Any

from paynearme.ledger import schema
from paynearme.ledger.reservations import reservation_of
from paynearme.ledger.spending import Spending, spending_key
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table
from paynearme.policy import SitePolicy, WindowTotals
from paynearme.policy.calendar import local_date, windows_of, within_days
from paynearme.policy.document import MAX_DAYS, Frequency
from paynearme.protocol.api_responses import (
    CustomerResponse,
    OrderResponse,
    PaymentResponse,
    QuarantinedDetails,
    RecentCount,
    ReversalDetails,
    WindowResponse,
)


def get_order(table: Table, site_id: str, pnm_order_identifier: str, deadline: Deadline) -> OrderResponse | None:
    """Return an order, or ``None`` if it is not recorded. Raises ``LedgerUnavailableError``. Costs 1 request."""
    (item,) = table.read([schema.order_key(site_id, pnm_order_identifier)], deadline)
    return OrderResponse.model_validate(item) if schema.parse_order(item) else None


def get_customer(
    table: Table, site_id: str, site_customer_identifier: str, policy: SitePolicy, now: datetime, deadline: Deadline
) -> CustomerResponse | None:
    """Return a customer as of ``now``, or ``None`` if the customer is unknown.

    ``policy`` provides the time zone of the spending windows and the look-back period of returns and chargebacks.
    Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    days = [rule.within_days if rule else MAX_DAYS for rule in (policy.chargebacks, policy.returns)]
    today = local_date(now, UTC)
    keys = [
        schema.account_key(site_id, site_customer_identifier),
        spending_key(site_id, site_customer_identifier),
    ]
    keys += schema.reversals_keys(site_id, site_customer_identifier, today, max(days))
    account, spending_item, *reversals = table.read(keys, deadline)
    if not any((account, spending_item, *reversals)):
        return None
    spending = Spending(spending_item)
    day = spending.day_for(local_date(now, policy.zone))
    totals = spending.totals(day)

    def recent_count(attribute: str, rule: Frequency | None) -> RecentCount:
        max_days = rule.within_days if rule else MAX_DAYS
        counts = schema.counts_by_day(reversals, attribute)
        return RecentCount(count=within_days(counts.items(), today, max_days), within_days=max_days)

    return CustomerResponse.model_validate(
        account
        | {
            "site_identifier": site_id,
            "site_customer_identifier": site_customer_identifier,
            "spending": {"time_zone": policy.time_zone}
            | {window.kind: _window(window.name, totals[window.kind]) for window in windows_of(day)},
            "chargebacks": recent_count("chargebacks", policy.chargebacks),
            "returns": recent_count("returns", policy.returns),
        }
    )


def get_payment(
    table: Table, site_id: str, pnm_payment_identifier: str, deadline: Deadline, *, test: bool
) -> PaymentResponse | None:
    """Return a payment with its reversals, or ``None`` if it is unknown. Test payments are stored separately.

    Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    (item,) = table.read([schema.payment_key(site_id, pnm_payment_identifier, test=test)], deadline)
    # A payment that only resolved callbacks of the quarantine named has no ``revision``.
    if "revision" not in item and not item.get("quarantined_callbacks"):
        return None
    reversals = [ReversalDetails.model_validate(value) for value in _maps(item, schema.REVERSAL_PREFIX)]
    quarantined = [QuarantinedDetails.model_validate(value) for value in _maps(item, schema.QUARANTINED_PREFIX)]
    # A quarantined callback can be the only message about a payment. It is not the source of the recorded order.
    identifiers = {"site_identifier": site_id, "pnm_payment_identifier": pnm_payment_identifier, "test": test}
    return PaymentResponse.model_validate(
        identifiers
        | item
        | {
            "site_customer_identifier": schema.recorded_customer(item),
            "reservation": _reservation(item),
            "anomalies": sorted(item.get("anomalies", ())),
            "reversals": sorted(reversals, key=lambda reversal: reversal.at),
            "quarantined": sorted(quarantined, key=lambda callback: callback.at),
        }
    )


def _maps(item: Item, prefix: str) -> list[Item]:
    return [value for name, value in item.items() if name.startswith(prefix) and isinstance(value, dict)]


def _window(name: str, totals: WindowTotals) -> WindowResponse:
    by_type = {str(type_name): amount for type_name, amount in totals.by_type.items() if amount}
    return WindowResponse(window=name, spent=totals.total, by_payment_type=by_type)


def _reservation(item: Item) -> dict[str, Any] | None:
    reservation = reservation_of(item)
    if reservation is None:
        return None
    return {
        "site_customer_identifier": reservation.customer,
        "amount": reservation.amount,
        "payment_type": str(reservation.type_name),
        "windows": {str(window.kind): window.name for window in windows_of(reservation.day)},
    }
