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
    return {
        "pnm_order_identifier": payment.order.pnm_order_identifier,
        "pnm_payment_identifier": payment.pnm_payment_identifier,
        "site_customer_identifier": payment.site_customer_identifier,
        **_annotation(payment),
        "version": "",
        **_test(test),
        **_amount(payment),
        "payment_date": str(int(payment.created_at)),
        **_net(payment),
        **_withheld(payment),
        **_payment_family_fields(payment),
        **_bank(payment),
    }


def authorization_for_call(payment: Payment, *, test: bool) -> Parameters:
    """Return the unsigned authorization of a ``make_payment`` request.

    With a ``site_payment_identifier``, it also contains the payment method.
    """
    method = {"payment_method_identifier": payment.method.payment_method_identifier}
    return {
        "pnm_order_identifier": payment.order.pnm_order_identifier,
        "pnm_payment_identifier": payment.pnm_payment_identifier,
        "site_order_identifier": payment.order.site_order_identifier,
        "site_customer_identifier": payment.site_customer_identifier,
        **_site_payment_identifier(payment),
        **_annotation(payment),
        "version": "",
        **_test(test),
        **_amount(payment),
        "payment_date": str(int(payment.created_at)),
        **_net(payment),
        **_withheld(payment),
        **_bank(payment),
        **({} if payment.site_payment_identifier is None else method),
    }


def confirmation(payment: Payment) -> Parameters:
    """Return the unsigned confirmation of a captured payment."""
    return {
        "pnm_order_identifier": payment.order.pnm_order_identifier,
        "pnm_payment_identifier": payment.pnm_payment_identifier,
        "site_customer_identifier": payment.site_customer_identifier,
        **_site_payment_identifier(payment),
        **_annotation(payment),
        "version": "",
        **_net(payment),
        **_amount(payment),
        "timestamp": "",
        "status": "payment",
        **_withheld(payment),
        **_payment_family_fields(payment),
        "standin": "false",
        "payment_timestamp": local_time(payment.captured_at),
        "order_payee_identifier": payment.order.site_identifier,
        **_bank(payment),
        "payment_bank_name": f"{payment.method.description} ",
    }


def _site_payment_identifier(payment: Payment) -> Parameters:
    identifier = payment.site_payment_identifier
    return {} if identifier is None else {"site_payment_identifier": identifier}


def _annotation(payment: Payment) -> Parameters:
    annotation = payment.order.annotation
    return {} if annotation is None else {"site_order_annotation": annotation}


def _test(test: bool) -> Parameters:
    return {"test": True} if test else {}


def _amount(payment: Payment) -> Parameters:
    return {"payment_amount": f"{payment.amount:.2f}", "payment_currency": "USD"}


def _net(payment: Payment) -> Parameters:
    return {"net_payment_amount": f"{payment.amount:.2f}", "net_payment_currency": "USD"}


def _fee(payment: Payment) -> Decimal:
    return (payment.amount * _WITHHELD_SHARE).quantize(_CENT, ROUND_HALF_UP)


def _withheld(payment: Payment) -> Parameters:
    fee = _fee(payment)
    return {
        "pnm_withheld_amount": f"{fee:.2f}",
        "pnm_withheld_currency": "USD",
        "due_to_site_amount": f"{payment.amount - fee:.2f}",
        "due_to_site_currency": "USD",
    }


def _payment_family_fields(payment: Payment) -> Parameters:
    return {
        "due_to_parent_amount": "0.00",
        "due_to_parent_currency": "USD",
        "due_to_child_amount": f"{payment.amount - _fee(payment):.2f}",
        "due_to_child_currency": "USD",
    }


def _bank(payment: Payment) -> Parameters:
    return {
        "payment_type": "ach",
        "site_identifier": payment.order.site_identifier,
        "payment_bank_name": payment.method.description,
        "payment_bank_last4": payment.method.number,
    }
