"""PayNearMe's certification hooks on the deployed stack: PayNearMe retries, and the payment is posted once."""

from decimal import Decimal

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters
from tests.support.payment_driver import (
    NOT_ACKNOWLEDGED,
    confirm_twice_with_hook,
    new_customer_with_method,
    new_key,
    warm_up_confirm,
)


@pytest.fixture(autouse=True)
def warmed_up(sender: CallbackSender) -> None:
    warm_up_confirm(sender)


@pytest.mark.parametrize("annotation", NOT_ACKNOWLEDGED)
def test_certification_hook_not_acknowledged_posted_once(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, annotation: str
) -> None:
    customer = f"hook-{annotation}"

    deliveries = confirm_twice_with_hook(sender, authorization, annotation, customer)

    assert [delivery.reason for delivery in deliveries] == [NOT_ACKNOWLEDGED[annotation]] * 2
    assert ledger_reader.balance(authorization["site_identifier"], customer) == Decimal(
        authorization["net_payment_amount"]
    )


def test_certification_hook_confirm_delay_acknowledged_late(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters
) -> None:
    customer = "hook-confirm-delay"

    deliveries = confirm_twice_with_hook(sender, authorization, "confirm_delay_1", customer)

    assert [delivery.reason for delivery in deliveries] == [None, None]
    assert min(delivery.seconds for delivery in deliveries) >= 1
    assert ledger_reader.balance(authorization["site_identifier"], customer) == Decimal(
        authorization["net_payment_amount"]
    )


def test_certification_hook_from_order_to_last_retry_posted_once(
    backend: BackendClient, paynearme: ControlClient, ledger_reader: LedgerReader
) -> None:
    customer = new_customer_with_method(backend, paynearme, site_order_annotation="confirm_blank")

    assert customer.pay(new_key()).status == 200
    [payment] = paynearme.post("settled")

    assert payment["confirmations"] > 1
    assert payment["state"] == "captured"
    assert ledger_reader.balance(customer.site, customer.identifier) == Decimal(
        customer.payment_request()["payment_amount"]
    )
