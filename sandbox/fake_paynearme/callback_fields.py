"""The fields of the callbacks about a guaranteed ACH payment, as the guide prints them (seed).

The guide's two authorizations differ: the first payment's, from the link, tells what is due to parent and
child; the one with saved bank details tells the site's order identifier instead. A confirmation's bank name
ends with a blank there, and so it does here. PayNearMe keeps 2.02 percent in both examples.
"""

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

from sandbox.clients.sample_messages import Parameters
from sandbox.fake_paynearme.store import Payment

_CENT = Decimal("0.01")
_WITHHELD = Decimal("0.0202")
# The guide's times are those of California in summer.
_ZONE = timezone(timedelta(hours=-7))


def local_time(timestamp: float) -> str:
    """Return ``moment`` (Unix seconds) as the guide spells a time."""
    return datetime.fromtimestamp(timestamp, UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S %z")


def authorization_for_link(payment: Payment, *, test: bool) -> Parameters:
    """Return the authorization of a payment that a consumer submitted, to be signed."""
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
    """Return the authorization of a payment that ``make_payment`` made, to be signed.

    If the call named a ``site_payment_identifier``, it is there, and the payment method.
    """
    site_payment_identifier = payment.site_payment_identifier
    return {
        "pnm_order_identifier": payment.order.pnm_order_identifier,
        "pnm_payment_identifier": payment.pnm_payment_identifier,
        "site_order_identifier": payment.order.site_order_identifier,
        "site_customer_identifier": payment.site_customer_identifier,
        **({} if site_payment_identifier is None else {"site_payment_identifier": site_payment_identifier}),
        **_annotation(payment),
        "version": "",
        **_test(test),
        **_amount(payment),
        "payment_date": str(int(payment.created_at)),
        **_net(payment),
        **_withheld(payment),
        **_bank(payment),
        **(
            {}
            if site_payment_identifier is None
            else {"payment_method_identifier": payment.method.payment_method_identifier}
        ),
    }


def confirmation(payment: Payment) -> Parameters:
    """Return the confirmation of a payment that was taken, to be signed."""
    site_payment_identifier = payment.site_payment_identifier
    return {
        "pnm_order_identifier": payment.order.pnm_order_identifier,
        "pnm_payment_identifier": payment.pnm_payment_identifier,
        "site_customer_identifier": payment.site_customer_identifier,
        **({} if site_payment_identifier is None else {"site_payment_identifier": site_payment_identifier}),
        **_annotation(payment),
        "version": "",
        **_net(payment),
        **_amount(payment),
        "timestamp": "",
        "status": "payment",
        **_withheld(payment),
        **_payment_family_fields(payment),
        "standin": "false",
        "payment_timestamp": local_time(payment.captured),
        "order_payee_identifier": payment.order.site_identifier,
        **_bank(payment),
        "payment_bank_name": f"{payment.method.description} ",
    }


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
    return (payment.amount * _WITHHELD).quantize(_CENT, ROUND_HALF_UP)


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
