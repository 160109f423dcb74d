"""A payment that the merchant's backend asks for with a key, and what is told of it afterwards."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from paynearme.messages import read_message
from paynearme.messages.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from tests.documents import documented
from tests.integration.backend_calls import Backend, kind
from tests.integration.observed import Answer, Function, Stored
from tests.integration.payments_over_time import NOON, at, sent
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE, confirmation

MARKER = "zq7"
"""Stands in all that must be neither stored nor written."""

KEY = "zq7key-4f0c1f2e"
REQUEST: dict[str, Any] = {
    name: value
    for name, value in documented("make_payment", "saved").items()
    if name not in ("site_identifier", "signature", "timestamp", "version")
}
"""The guide's request, for the default site."""

ORDER = REQUEST["pnm_order_identifier"]
PNM_PAYMENT = "943751749956"
TAKEN = {"status": "ok", "payment": {"pnm_payment_identifier": PNM_PAYMENT}}
REFUSAL = {"status": "error", "response_code": "1100", "errors": [{"description": "Order is closed"}]}
EXPIRED = documented("make_payment_answer", "expired")
PERSONAL = {"agent_name": "zq7agent", "customer_email": "zq7@example.com", "customer_tax_id_pii": "zq7tax"}

_POOL = HTTPSConnectionPool("paynearme.invalid")
HANGS = ReadTimeoutError(_POOL, "/", "slow")
CUT = ProtocolError("cut")
REFUSED_CONNECTION = MaxRetryError(_POOL, "/", NewConnectionError(HTTPConnection("p"), "refused"))
SLOW_CONNECTION = MaxRetryError(_POOL, "/", ConnectTimeoutError("slow"))


def identifier_of(key: str = KEY, site: str = SITE) -> str:
    """Return our identifier of the payment that a key stands for."""
    return read_message(MakePaymentRequest, REQUEST | {IDEMPOTENCY_KEY: key}).site_payment_identifier(site)


@dataclass(frozen=True)
class Making:
    """Asks for payments at ``now``, and tells what became of them."""

    backend: Backend
    paynearme: PayNearMeStub
    confirm: Function
    stored: Stored
    now: datetime = NOON

    def after(self, seconds: float) -> Self:
        """Return the same so many seconds later."""
        return replace(self, now=self.now + timedelta(seconds=seconds))

    def make(self, key: str | None = KEY, **changes: Any) -> Answer:
        """Ask for the payment. A change to None leaves a parameter out."""
        return self.backend.at(self.now).post("/payments", REQUEST | changes, key)

    def begin(self, key: str = KEY) -> None:
        """Ask for the payment in a process that ends before PayNearMe answers."""
        self.paynearme.answers.insert(0, Killed())
        try:
            self.make(key)
        except Killed:
            return
        raise AssertionError("PayNearMe was not asked")

    def tell(self, **changes: str | None) -> None:
        """Tell that the payment was made, or what ``changes`` say."""
        usual: dict[str, str | None] = {
            "pnm_order_identifier": ORDER,
            "site_payment_identifier": identifier_of(),
            "pnm_payment_identifier": PNM_PAYMENT,
            "payment_amount": "1000.00",
            "net_payment_amount": "1000.00",
            "timestamp": sent(self.now),
        }
        message = confirmation(**usual | cast(Any, PERSONAL) | changes)
        assert at(self.now, self.confirm, message).status == 200

    def intent(self) -> dict[str, Any]:
        """Return the only intent there is."""
        [item] = [item for item in self.stored.everything() if item["sk"] == "INTENT"]
        return item

    def told(self) -> list[dict[str, Any]]:
        """Return the items of what was told by our identifier."""
        return [item for item in self.stored.everything() if "SITE_PAYMENT#" in item["pk"]]


class Killed(BaseException):
    """The process ends here: no function catches this."""


def outcome(answer: Answer) -> tuple[int, str]:
    """Return an answer's HTTP status, and the payment's status or the kind of the problem."""
    return answer.status, answer.content["status"] if answer.status == 200 else kind(answer)


UNKNOWN = (504, "payment-outcome-unknown")
UNDER_WAY = (409, "payment-in-progress")
REUSED = (422, "idempotency-key-reused")
SUBMITTED = (200, "submitted")
CONFIRMED = (200, "confirmed")
DECLINED = (422, "payment-failed")
REFUSED = (422, "rejected-by-paynearme")
EXPIRED_AUTHORIZATION = (409, "bank-authorization-expired")
