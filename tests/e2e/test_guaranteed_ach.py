"""The guaranteed ACH scenarios of PayNearMe's documentation, on the deployed stack (PayNearMe docs, Guaranteed ACH)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.messages import Parameters
from tests.support.payment_driver import PATHS, SITE, CustomerDriver, new_customer, new_key, save_method

SAVINGS, CHECKING = "76590ef5135ae", "23b9e4ba13242"
PII_VALUES = ("Peter", "Venkman", "212", "Street", "10001")


@pytest.fixture
def customer(backend: BackendClient, paynearme: ControlClient) -> CustomerDriver:
    """Create an order of a new customer without a saved bank account."""
    assert paynearme.get("calls") == []
    return new_customer(backend)


@pytest.fixture
def saved_methods(paynearme: ControlClient) -> Iterator[None]:
    """Save the two payment methods of PayNearMe's sample customer at the fake PayNearMe."""
    for identifier, number in ((SAVINGS, "6213"), (CHECKING, "6576")):
        save_method(paynearme, SITE, "184120000", payment_method_identifier=identifier, number=number)
    yield
    paynearme.post("settled")


def open_link(
    backend: BackendClient, paynearme: ControlClient, request: Parameters, **consumer: str
) -> Mapping[str, Any]:
    """Open the link of a new Smart Token as the consumer, sign in at the bank, and submit. Return the result."""
    response = backend.post("/smart-tokens", request)
    assert response.status == 200
    smart_token = response.content["orders"][0]["secure_smart_token"]
    checkout = {"secure_smart_token": smart_token, "bank": "Demo Checking Account", "number": "6576", **consumer}
    result: Mapping[str, Any] = paynearme.post("consumer", checkout)
    return result


def find_methods(backend: BackendClient, customer: str) -> list[Mapping[str, Any]]:
    request = {**load("find_payment_methods")["saved"], "site_customer_identifier": customer}
    response = backend.post("/payment-methods/find", request)
    assert response.status == 200
    accounts: list[Mapping[str, Any]] = response.content["accounts"]
    return accounts


REQUESTS = [(operation, name) for operation in PATHS for name in load(operation)]


@pytest.mark.usefixtures("saved_methods")
@pytest.mark.parametrize(("operation", "name"), REQUESTS)
def test_sample_request_makes_one_call_with_expected_status(
    backend: BackendClient, paynearme: ControlClient, operation: str, name: str
) -> None:
    if (operation, name) == ("make_payment", "expired"):
        paynearme.post("expire", {"payment_method_identifier": CHECKING})

    response = backend.post(PATHS[operation], load(operation)[name], new_key())

    assert response.status == (409 if name == "expired" and operation == "make_payment" else 200), response.content
    assert [call["operation"] for call in paynearme.get("calls")] == [operation]


def test_guaranteed_ach_first_payment_confirmed_and_posted(
    backend: BackendClient, paynearme: ControlClient, ledger_reader: LedgerReader, customer: CustomerDriver
) -> None:
    request = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": customer.order}

    checkout_result = open_link(backend, paynearme, request, payment_amount="1000.00")

    assert checkout_result["authorization"]["accepted"]
    assert checkout_result["authorization"]["fields"]["pnm_order_identifier"] == customer.order
    assert checkout_result["redirect_url"] == request["flow_pay_url"].strip()
    assert checkout_result["confirmation"] == {"acknowledged": True}
    assert ledger_reader.balance(SITE, customer.identifier) == Decimal("1000.00")
    payment_response = backend.get(f"/payments/{SITE}/{checkout_result['pnm_payment_identifier']}").content
    assert (payment_response["decision"], payment_response["outcome"]) == ("accept", "payment")


def test_guaranteed_ach_saved_method_payment_confirmed(
    backend: BackendClient, paynearme: ControlClient, ledger_reader: LedgerReader, customer: CustomerDriver
) -> None:
    request = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": customer.order}
    open_link(backend, paynearme, request, payment_amount="25.00")
    (method,) = find_methods(backend, customer.identifier)
    assert method["guaranteed_ach"] is True

    response = customer.pay(new_key(), payment_method_identifier=method["payment_method_identifier"])

    assert response.status == 200
    assert response.content["status"] == "submitted"
    payments = {payment["pnm_payment_identifier"]: payment for payment in paynearme.post("settled")}
    payment = payments[response.content["pnm_payment_identifier"]]
    assert payment["site_payment_identifier"] == response.content["site_payment_identifier"]
    assert (payment["state"], payment["authorization"]) == ("confirmed", "yes")
    assert ledger_reader.balance(SITE, customer.identifier) == Decimal("1025.00")


def test_bank_authorization_expired_reconnected_then_paid(
    backend: BackendClient, paynearme: ControlClient, ledger_reader: LedgerReader, customer: CustomerDriver
) -> None:
    request = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": customer.order}
    open_link(backend, paynearme, request, payment_amount="25.00")

    # Steps 1 and 2: find the saved methods.
    (method,) = find_methods(backend, customer.identifier)
    identifier = method["payment_method_identifier"]
    paynearme.post("expire", {"payment_method_identifier": identifier})
    # Steps 3 and 4: submit the payment. The bank authorization has expired.
    rejected = customer.pay(new_key(), payment_method_identifier=identifier)
    assert rejected.status == 409
    # Step 5: request a Smart Token to reconnect, without PII.
    return_urls = {
        name: value
        for name, value in load("get_smart_token")["guaranteed_ach_reconnect"].items()
        if name.endswith("_url")
    }
    reconnect = {"site_identifier": SITE, **return_urls, **rejected.content["reconnect"]}
    # Step 6: the consumer signs in at the bank again, without a payment.
    checkout_result = open_link(backend, paynearme, reconnect)
    assert checkout_result["pnm_payment_identifier"] is None
    assert checkout_result["redirect_url"] == return_urls["flow_add_url"]
    assert ledger_reader.balance(SITE, customer.identifier) == Decimal("25.00")
    # Steps 7 to 12: submit a new payment.
    accepted = customer.pay(new_key(), payment_method_identifier=identifier)
    assert accepted.status == 200
    (payment,) = [
        settled_payment
        for settled_payment in paynearme.post("settled")
        if settled_payment["pnm_payment_identifier"] == accepted.content["pnm_payment_identifier"]
    ]
    assert (payment["authorization"], payment["state"]) == ("yes", "confirmed")
    assert ledger_reader.balance(SITE, customer.identifier) == Decimal("1025.00")
