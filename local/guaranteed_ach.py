"""The guaranteed ACH guide as a story: from the first order to the bank that must be connected again.

PayNearMe's side plays the player's part as well: it opens the link, signs in at the bank, and submits.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from local.backend import Backend, Reply
from local.control import Control
from local.drive import Books
from local.events import Parameters, load
from local.sites import OAUTH_SITE

SITE = "S6404173951"
"""The guide's site."""


class Check(Protocol):
    """Says what must hold, and whether it does."""

    def __call__(self, what: str, *, holds: bool) -> None:
        """Tell it."""


class GuaranteedAch:
    """A player's story at one site."""

    def __init__(self, site: str, backend: Backend, paynearme: Control, books: Books, check: Check) -> None:
        """Tell it of a new player of ``site``."""
        self.customer = f"player-{uuid.uuid4().hex[:8]}"
        self._site = site
        self._owner = {"site_identifier": site, "site_customer_identifier": self.customer}
        self._backend = backend
        self._paynearme = paynearme
        self._books = books
        self._check = check
        self._order = ""

    def tell(self) -> Decimal:
        """Tell all of it; return what must be on the player's balance in the end."""
        self._create_order()
        self._first_payment()
        method = self._saved_method()
        self._pay_twice(method)
        self._reconnect(method)
        self._lose_an_answer(method)
        return Decimal("4000.00")

    def _create_order(self) -> None:
        request = load("create_order")["guaranteed_ach"] | self._owner | {"site_order_identifier": new_key()}
        reply = self._backend.post("/orders", request)
        self._order = reply.content["order"]["pnm_order_identifier"] if reply.status == 200 else ""
        known = self._backend.get(f"/orders/{self._site}/{self._order}")
        self._check(
            "POST /orders: PayNearMe creates the order, and authorizations know it", holds=known.status == 200
        )

    def _first_payment(self) -> None:
        done = self._open_link(load("get_smart_token")["guaranteed_ach"], payment_amount="1000.00")
        holds = done["authorization"]["accepted"] and done["confirmation"] == {"acknowledged": True}
        self._check("POST /smart-tokens: the player opens the link, signs in at the bank, and pays", holds=holds)
        self._check_balance("1000.00")

    def _saved_method(self) -> str:
        reply = self._backend.post("/payment-methods/find", self._owner)
        (method,) = reply.content["accounts"]
        told = f"POST /payment-methods/find: {method['description']} {method['number']}, guaranteed ACH"
        self._check(told, holds=method["guaranteed_ach"] is True)
        identifier: str = method["payment_method_identifier"]
        return identifier

    def _pay_twice(self, method: str) -> None:
        key = new_key()
        replies = [self._pay(method, key) for _ in range(2)]
        self._paynearme.post("settled")
        same = replies[0].status == 200 and replies[0].content == replies[1].content
        self._check("POST /payments, twice with one Idempotency-Key: one payment, one answer", holds=same)
        self._check_balance("2000.00")

    def _reconnect(self, method: str) -> None:
        self._paynearme.post("expire", {"payment_method_identifier": method})
        refused = self._pay(method, new_key())
        self._check("the bank's authorization has expired: 409, code 6513", holds=refused.status == 409)
        guide = load("get_smart_token")["guaranteed_ach_reconnect"]
        addresses = {name: text for name, text in guide.items() if name.endswith("_url")}
        done = self._open_link(addresses | refused.content["reconnect"])
        self._check(
            "POST /smart-tokens with what the 409 says: the player signs in again, and pays nothing",
            holds=done["pnm_payment_identifier"] is None
            and done["redirect_url"] == addresses["flow_add_url"],
        )
        paid = self._pay(method, new_key())
        self._paynearme.post("settled")
        self._check("POST /payments again", holds=paid.status == 200)
        self._check_balance("3000.00")

    def _lose_an_answer(self, method: str) -> None:
        key = new_key()
        self._paynearme.post("callbacks", {"hold_confirmations": True})
        self._paynearme.post("behaviour", {"mode": "abort", "operation": "make_payment", "taken": True})
        lost = self._pay(method, key)
        self._paynearme.post("behaviour", {"mode": "normal", "operation": "make_payment"})
        told = "PayNearMe takes the money and its answer is lost: 504, nobody can tell yet"
        self._check(told, holds=lost.status == 504)
        for payment in self._paynearme.post("settled"):
            if payment["site_payment_identifier"] == lost.content.get("site_payment_identifier"):
                self._paynearme.post("confirm", {"pnm_payment_identifier": payment["pnm_payment_identifier"]})
        self._paynearme.post("callbacks", {"hold_confirmations": False})
        learned = self._pay(method, key)
        holds = learned.status == 200 and learned.content["status"] == "confirmed"
        self._check("the confirmation comes, and the same call learns that it was paid", holds=holds)
        self._check_balance("4000.00")

    def _pay(self, method: str, key: str) -> Reply:
        changes = {"pnm_order_identifier": self._order, "payment_method_identifier": method}
        wish = load("make_payment")["saved"] | self._owner | changes
        del wish["site_customer_identifier"]
        return self._backend.post("/payments", wish, key)

    def _open_link(self, request: Parameters, **consumer: str) -> Mapping[str, Any]:
        changes = {"pnm_order_identifier": self._order, "site_identifier": self._site}
        reply = self._backend.post("/smart-tokens", {**request, **changes})
        token = reply.content["orders"][0]["secure_smart_token"]
        bank = {"bank": "Demo Checking Account", "number": "6576"}
        done: Mapping[str, Any] = self._paynearme.post(
            "consumer", {"secure_smart_token": token, **bank, **consumer}
        )
        return done

    def _check_balance(self, amount: str) -> None:
        holds = self._books.balance(self._site, self.customer) == Decimal(amount)
        self._check(f"… {amount} are on the player's balance", holds=holds)


def new_key() -> str:
    """Return what nobody has used before."""
    return str(uuid.uuid4())


SITES = {SITE: "calls are signed (HMAC)", OAUTH_SITE: "calls carry a bearer token (OAuth 2.0)"}
"""The sites at which the story is told, and what differs there."""
