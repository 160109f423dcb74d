"""The guaranteed ACH guide as a story: from the first order to the bank that must be connected again.

PayNearMe's side plays the player's part as well: it opens the link, signs in at the bank, and submits.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import Parameters, load
from sandbox.clients.stack_client import LedgerReader
from sandbox.stack.sites import OAUTH_SITE

SITE = "S6404173951"
"""The guide's site."""


class Check(Protocol):
    """Says what must hold, and whether it does."""

    def __call__(self, description: str, *, passed: bool) -> None:
        """Tell it."""


class GuaranteedAch:
    """A player's story at one site."""

    def __init__(
        self, site: str, backend: BackendClient, paynearme: ControlClient, ledger: LedgerReader, check: Check
    ) -> None:
        """Tell it of a new player of ``site``."""
        self.customer = f"player-{uuid.uuid4().hex[:8]}"
        self._site = site
        self._customer_identifiers = {"site_identifier": site, "site_customer_identifier": self.customer}
        self._backend = backend
        self._paynearme = paynearme
        self._ledger = ledger
        self._check = check
        self._order = ""

    def run(self) -> Decimal:
        """Tell all of it; return what must be on the player's balance in the end."""
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
        self._check(
            "POST /orders: PayNearMe creates the order, and authorizations know it", passed=stored_order.status == 200
        )

    def _first_payment(self) -> None:
        checkout = self._open_link(load("get_smart_token")["guaranteed_ach"], payment_amount="1000.00")
        passed = checkout["authorization"]["accepted"] and checkout["confirmation"] == {"acknowledged": True}
        self._check("POST /smart-tokens: the player opens the link, signs in at the bank, and pays", passed=passed)
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
        self._check("POST /payments, twice with one Idempotency-Key: one payment, one answer", passed=identical)
        self._check_balance("2000.00")

    def _reconnect(self, method: str) -> None:
        self._paynearme.post("expire", {"payment_method_identifier": method})
        rejected = self._pay(method, new_key())
        self._check("the bank's authorization has expired: 409, code 6513", passed=rejected.status == 409)
        sample = load("get_smart_token")["guaranteed_ach_reconnect"]
        return_urls = {name: text for name, text in sample.items() if name.endswith("_url")}
        checkout = self._open_link(return_urls | rejected.content["reconnect"])
        self._check(
            "POST /smart-tokens with what the 409 says: the player signs in again, and pays nothing",
            passed=checkout["pnm_payment_identifier"] is None
            and checkout["redirect_url"] == return_urls["flow_add_url"],
        )
        response = self._pay(method, new_key())
        self._paynearme.post("settled")
        self._check("POST /payments again", passed=response.status == 200)
        self._check_balance("3000.00")

    def _lose_response(self, method: str) -> None:
        key = new_key()
        self._paynearme.post("callbacks", {"defer_confirmations": True})
        self._paynearme.post("behaviour", {"mode": "abort", "operation": "make_payment", "process_first": True})
        lost_response = self._pay(method, key)
        self._paynearme.post("behaviour", {"mode": "normal", "operation": "make_payment"})
        description = "PayNearMe takes the money and its answer is lost: 504, nobody can tell yet"
        self._check(description, passed=lost_response.status == 504)
        for payment in self._paynearme.post("settled"):
            if payment["site_payment_identifier"] == lost_response.content.get("site_payment_identifier"):
                self._paynearme.post("confirm", {"pnm_payment_identifier": payment["pnm_payment_identifier"]})
        self._paynearme.post("callbacks", {"defer_confirmations": False})
        retried_response = self._pay(method, key)
        passed = retried_response.status == 200 and retried_response.content["status"] == "confirmed"
        self._check("the confirmation comes, and the same call learns that it was paid", passed=passed)
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
        self._check(f"… {amount} are on the player's balance", passed=passed)


def new_key() -> str:
    """Return what nobody has used before."""
    return str(uuid.uuid4())


SITES = {SITE: "calls are signed (HMAC)", OAUTH_SITE: "calls carry a bearer token (OAuth 2.0)"}
"""The sites at which the story is told, and what differs there."""
