"""Build the callbacks of a guaranteed ACH payment (PayNearMe docs, Guaranteed ACH).

The authorization of a first payment contains the amounts of parent and child. The authorization of a payment with a
saved method contains the site's order identifier instead. The bank name of a confirmation ends with a space. PayNearMe
withholds 2.02 percent in both samples.
"""

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

from sandbox.fake_paynearme.messages import Parameters
from sandbox.fake_paynearme.store import Payment

_CENT = Decimal("0.01")
_WITHHELD_SHARE = Decimal("0.0202")
# The samples have the time zone of California in summer.
_ZONE = timezone(timedelta(hours=-7))


def local_time(timestamp: float) -> str:
    """Return ``timestamp`` (Unix seconds) in the format of the samples."""
    return datetime.fromtimestamp(timestamp, UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S %z")


def authorization_for_link(payment: Payment, *, test: bool) -> Parameters:
    """Return the unsigned authorization of a payment that a consumer submitted."""
    return _present(
        pnm_order_identifier=payment.order.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
        site_customer_identifier=payment.site_customer_identifier,
        site_order_annotation=payment.order.annotation,
        version="",
        test=test or None,
        **_usd("payment", payment.amount),
        payment_date=str(int(payment.created_at)),
        **_usd("net_payment", payment.amount),
        **_shares(payment),
        **_family_shares(payment),
        **_bank(payment),
    )


def authorization_for_call(payment: Payment, *, test: bool) -> Parameters:
    """Return the unsigned authorization of a ``make_payment`` request.

    With a ``site_payment_identifier``, it also contains the payment method.
    """
    identifier = payment.site_payment_identifier
    return _present(
        pnm_order_identifier=payment.order.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
        site_order_identifier=payment.order.site_order_identifier,
        site_customer_identifier=payment.site_customer_identifier,
        site_payment_identifier=identifier,
        site_order_annotation=payment.order.annotation,
        version="",
        test=test or None,
        **_usd("payment", payment.amount),
        payment_date=str(int(payment.created_at)),
        **_usd("net_payment", payment.amount),
        **_shares(payment),
        **_bank(payment),
        payment_method_identifier=None if identifier is None else payment.method.payment_method_identifier,
    )


def confirmation(payment: Payment) -> Parameters:
    """Return the unsigned confirmation of a captured payment."""
    return _present(
        pnm_order_identifier=payment.order.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
        site_customer_identifier=payment.site_customer_identifier,
        site_payment_identifier=payment.site_payment_identifier,
        site_order_annotation=payment.order.annotation,
        version="",
        **_usd("net_payment", payment.amount),
        **_usd("payment", payment.amount),
        timestamp="",
        status="payment",
        **_shares(payment),
        **_family_shares(payment),
        standin="false",
        payment_timestamp=local_time(payment.captured_at),
        order_payee_identifier=payment.order.site_identifier,
        **_bank(payment) | {"payment_bank_name": f"{payment.method.description} "},
    )


def _present(**parameters: str | bool | None) -> Parameters:
    return {name: value for name, value in parameters.items() if value is not None}


def _usd(name: str, amount: Decimal) -> dict[str, str]:
    return {f"{name}_amount": f"{amount:.2f}", f"{name}_currency": "USD"}


def _withheld(payment: Payment) -> Decimal:
    return (payment.amount * _WITHHELD_SHARE).quantize(_CENT, ROUND_HALF_UP)


def _shares(payment: Payment) -> dict[str, str]:
    withheld = _withheld(payment)
    return _usd("pnm_withheld", withheld) | _usd("due_to_site", payment.amount - withheld)


def _family_shares(payment: Payment) -> dict[str, str]:
    return _usd("due_to_parent", Decimal(0)) | _usd("due_to_child", payment.amount - _withheld(payment))


def _bank(payment: Payment) -> dict[str, str]:
    return {
        "payment_type": "ach",
        "site_identifier": payment.order.site_identifier,
        "payment_bank_name": payment.method.description,
        "payment_bank_last4": payment.method.number,
    }
