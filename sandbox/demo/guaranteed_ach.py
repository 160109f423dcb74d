"""Run the guaranteed ACH scenario, from the order to a reconnected bank (PayNearMe docs, Guaranteed ACH).

The fake PayNearMe also simulates the consumer: it opens the link, signs in at the bank, and submits the payment.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.messages import Parameters
from sandbox.stack.sites import OAUTH_SITE

SITE = "S6404173951"
"""The site of the samples."""

SITES = {SITE: "with signed requests (HMAC)", OAUTH_SITE: "with access tokens (OAuth 2.0)"}
"""The sites of the scenario, and their differences."""


class Check(Protocol):
    """Report the result of a check."""

    def __call__(self, description: str, *, passed: bool) -> None:
        """Report whether the check passed."""


class GuaranteedAch:
    """The scenario of one customer."""

    def __init__(
        self, site: str, backend: BackendClient, paynearme: ControlClient, ledger: LedgerReader, check: Check
    ) -> None:
        """Create the scenario for a new customer of ``site``."""
        self.customer = f"customer-{uuid.uuid4().hex[:8]}"
        self._site = site
        self._customer_identifiers = {"site_identifier": site, "site_customer_identifier": self.customer}
        self._backend = backend
        self._paynearme = paynearme
        self._ledger = ledger
        self._check = check
        self._order = ""

    def run(self) -> Decimal:
        """Run the scenario, and return the customer's expected balance."""
        self._create_order()
        self._first_payment()
        method = self._saved_method()
        self._pay_twice(method)
        self._reconnect(method)
        self._lose_response(method)
        return Decimal("4000.00")

    def _create_order(self) -> None:
        request = (
            load("create_order")["guaranteed_ach"] | self._customer_identifiers | {"site_order_identifier": new_key()}
        )
        response = self._backend.post("/orders", request)
        self._order = response.content["order"]["pnm_order_identifier"] if response.status == 200 else ""
        stored_order = self._backend.get(f"/orders/{self._site}/{self._order}")
        self._check("POST /orders creates an order, and the ledger contains it", passed=stored_order.status == 200)

    def _first_payment(self) -> None:
        checkout = self._open_link(load("get_smart_token")["guaranteed_ach"], payment_amount="1000.00")
        passed = checkout["authorization"]["accepted"] and checkout["confirmation"] == {"acknowledged": True}
        self._check("POST /smart-tokens: the customer opens the link, signs in at the bank, and pays", passed=passed)
        self._check_balance("1000.00")

    def _saved_method(self) -> str:
        response = self._backend.post("/payment-methods/find", self._customer_identifiers)
        (method,) = response.content["accounts"]
        description = f"POST /payment-methods/find: {method['description']} {method['number']}, guaranteed ACH"
        self._check(description, passed=method["guaranteed_ach"] is True)
        identifier: str = method["payment_method_identifier"]
        return identifier

    def _pay_twice(self, method: str) -> None:
        key = new_key()
        responses = [self._pay(method, key) for _ in range(2)]
        self._paynearme.post("settled")
        identical = responses[0].status == 200 and responses[0].content == responses[1].content
        self._check("POST /payments twice with one Idempotency-Key: one payment, equal responses", passed=identical)
        self._check_balance("2000.00")

    def _reconnect(self, method: str) -> None:
        self._paynearme.post("expire", {"payment_method_identifier": method})
        rejected = self._pay(method, new_key())
        self._check(
            "POST /payments with an expired bank authorization: status 409, code 6513", passed=rejected.status == 409
        )
        sample = load("get_smart_token")["guaranteed_ach_reconnect"]
        return_urls = {name: text for name, text in sample.items() if name.endswith("_url")}
        checkout = self._open_link(return_urls | rejected.content["reconnect"])
        self._check(
            "POST /smart-tokens with the reconnect parameters: the customer signs in again, without a payment",
            passed=checkout["pnm_payment_identifier"] is None
            and checkout["redirect_url"] == return_urls["flow_add_url"],
        )
        response = self._pay(method, new_key())
        self._paynearme.post("settled")
        self._check("POST /payments after the reconnect", passed=response.status == 200)
        self._check_balance("3000.00")

    def _lose_response(self, method: str) -> None:
        key = new_key()
        self._paynearme.post("callbacks", {"defer_confirmations": True})
        self._paynearme.post("behaviour", {"mode": "abort", "operation": "make_payment", "process_first": True})
        lost_response = self._pay(method, key)
        self._paynearme.post("behaviour", {"mode": "normal", "operation": "make_payment"})
        description = "POST /payments, and PayNearMe's response is lost: status 504, unknown outcome"
        self._check(description, passed=lost_response.status == 504)
        for payment in self._paynearme.post("settled"):
            if payment["site_payment_identifier"] == lost_response.content.get("site_payment_identifier"):
                self._paynearme.post("confirm", {"pnm_payment_identifier": payment["pnm_payment_identifier"]})
        self._paynearme.post("callbacks", {"defer_confirmations": False})
        retried_response = self._pay(method, key)
        passed = retried_response.status == 200 and retried_response.content["status"] == "confirmed"
        self._check("After the confirmation, the same request returns the confirmed payment", passed=passed)
        self._check_balance("4000.00")

    def _pay(self, method: str, key: str) -> Response:
        changes = {"pnm_order_identifier": self._order, "payment_method_identifier": method}
        payment_request = load("make_payment")["saved"] | self._customer_identifiers | changes
        del payment_request["site_customer_identifier"]
        return self._backend.post("/payments", payment_request, key)

    def _open_link(self, request: Parameters, **consumer: str) -> Mapping[str, Any]:
        changes = {"pnm_order_identifier": self._order, "site_identifier": self._site}
        response = self._backend.post("/smart-tokens", {**request, **changes})
        smart_token = response.content["orders"][0]["secure_smart_token"]
        bank = {"bank": "Demo Checking Account", "number": "6576"}
        checkout: Mapping[str, Any] = self._paynearme.post(
            "consumer", {"secure_smart_token": smart_token, **bank, **consumer}
        )
        return checkout

    def _check_balance(self, amount: str) -> None:
        passed = self._ledger.balance(self._site, self.customer) == Decimal(amount)
        self._check(f"The balance is {amount}", passed=passed)


def new_key() -> str:
    """Return a new unique key."""
    return str(uuid.uuid4())
