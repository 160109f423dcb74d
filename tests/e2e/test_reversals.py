"""Reversals on the deployed stack: debited once, with every transport, for every sample."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import (
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    with_new_identifier,
)
from sandbox.stack.sites import VERSION_2_SITE, XML_SITE
from sandbox.stack.stack import Stack
from tests.e2e.conftest import TRANSPORTS
from tests.support.payment_driver import authorize_and_confirm

REVERSALS = load("reversal")
CONCURRENCY = 8


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("site", ["", XML_SITE, VERSION_2_SITE])
def test_reversal_duplicate_debited_once_same_response(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, site: str, transport: Transport
) -> None:
    customer = f"reversed-{site}-{transport}"
    message = {**authorization, "site_identifier": site or authorization["site_identifier"]}
    confirmation = authorize_and_confirm(sender, message, customer)
    reversal = build_reversal(confirmation)

    first = sender.deliver("reverse", reversal, transport)
    second = sender.deliver("reverse", reversal, transport)

    assert first.accepted, first.reason
    assert second.body == first.body
    assert first.fields == {"pnm_order_identifier": reversal["pnm_order_identifier"]}
    assert ledger_reader.balance(message["site_identifier"], customer) == 0


@pytest.mark.parametrize("name", REVERSALS)
def test_reversal_samples_acknowledged_and_recorded(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    reversal = with_new_identifier(REVERSALS[name])

    delivery = sender.deliver("reverse", reversal, "json")

    assert delivery.accepted, delivery.reason
    payment = ledger_reader.payment(reversal["site_identifier"], reversal["pnm_payment_identifier"])
    assert payment is not None
    assert payment["anomalies"] == {"reversed_unknown"}


def test_reversal_concurrent_duplicates_debited_once(
    stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters
) -> None:
    customer = "reversed-concurrently"
    reversal = build_reversal(authorize_and_confirm(sender, authorization, customer), reverse_amount="100.00")
    # The emulator starts a process for each request, which takes longer than PayNearMe's timeout.
    long_timeout_sender = CallbackSender(stack.callback_url, stack.sites, timeout=120)

    def deliver(_: int) -> Delivery:
        return long_timeout_sender.deliver("reverse", reversal, "json")

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        deliveries = list(threads.map(deliver, range(CONCURRENCY * 2)))

    assert Counter(delivery.reason for delivery in deliveries) == {None: CONCURRENCY * 2}
    net = Decimal(authorization["net_payment_amount"])
    assert ledger_reader.balance(reversal["site_identifier"], customer) == net - Decimal("100.00")


def test_reversal_before_confirmation_balance_is_remainder(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters
) -> None:
    customer = "reversed-early"
    confirmation = build_confirmation({**authorization, "site_customer_identifier": customer})

    early_delivery = sender.deliver("reverse", build_reversal(confirmation, reverse_amount="10.00"), "form")
    confirm_delivery = sender.deliver("confirm", confirmation, "form")

    assert early_delivery.accepted
    assert confirm_delivery.accepted
    net = Decimal(confirmation["net_payment_amount"])
    assert ledger_reader.balance(confirmation["site_identifier"], customer) == net - Decimal("10.00")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"signature": "0" * 64, "timestamp": "1748969962", "version": "3.0"}, 401),
        ({"site_identifier": "S9999999999", "signature": "0" * 64, "version": "3.0"}, 401),
        ({"reverse_amount": "a lot"}, 400),
        ({"reverse_amount": "-1.00"}, 400),
        ({"pnm_payment_identifier": ""}, 400),
    ],
    ids=str,
)
def test_reversal_rejected_problem_response_balance_unchanged(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, changes: Parameters, status: int
) -> None:
    customer = f"bad-reversal-{status}"
    confirmation = authorize_and_confirm(sender, authorization, customer)
    initial_balance = ledger_reader.balance(confirmation["site_identifier"], customer)

    delivery = sender.deliver("reverse", {**build_reversal(confirmation), **changes}, "json")

    assert delivery.status == status
    assert delivery.content_type.startswith("application/problem+json")
    assert ledger_reader.balance(confirmation["site_identifier"], customer) == initial_balance
