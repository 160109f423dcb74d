"""Submit a payment with an ``Idempotency-Key``, and confirm it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.parsing import read_message
from tests.support.api_driver import ApiDriver, problem_type
from tests.support.callback_driver import NOON, send_at, unix_time
from tests.support.callback_fixtures import SITE, confirmation
from tests.support.harness import LambdaFunction, LedgerFixture, Response
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample

MARKER = "zq7"
"""A part of all values that must be neither stored nor logged."""

KEY = "zq7key-4f0c1f2e"
REQUEST: dict[str, Any] = {
    name: value
    for name, value in load_sample("make_payment", "saved").items()
    if name not in ("site_identifier", "signature", "timestamp", "version")
}
"""PayNearMe's sample request, for the default site."""

ORDER = REQUEST["pnm_order_identifier"]
PNM_PAYMENT = "943751749956"
ACCEPTED_REPLY = {"status": "ok", "payment": {"pnm_payment_identifier": PNM_PAYMENT}}
REJECTION = {"status": "error", "response_code": "1100", "errors": [{"description": "Order is closed"}]}
EXPIRED_REPLY = load_sample("make_payment_response", "expired")
PII_FIELDS = {"agent_name": "zq7agent", "customer_email": "zq7@example.com", "customer_tax_id_pii": "zq7tax"}

_POOL = HTTPSConnectionPool("paynearme.invalid")
READ_TIMEOUT = ReadTimeoutError(_POOL, "/", "slow")
BROKEN_CONNECTION = ProtocolError("truncated")
CONNECTION_REFUSED = MaxRetryError(_POOL, "/", NewConnectionError(HTTPConnection("p"), "refused"))
CONNECT_TIMEOUT = MaxRetryError(_POOL, "/", ConnectTimeoutError("slow"))


def identifier_of(key: str = KEY, site: str = SITE) -> str:
    """Return the ``site_payment_identifier`` of an ``Idempotency-Key``."""
    return read_message(MakePaymentRequest, REQUEST | {IDEMPOTENCY_KEY: key}).site_payment_identifier(site)


@dataclass(frozen=True)
class SubmissionDriver:
    """Submissions and confirmations at ``now``."""

    backend: ApiDriver
    paynearme: PayNearMeStub
    confirm: LambdaFunction
    ledger_table: LedgerFixture
    now: datetime = NOON

    def at(self, seconds: float) -> Self:
        """Return the driver with a time ``seconds`` later."""
        return replace(self, now=self.now + timedelta(seconds=seconds))

    def submit(self, key: str | None = KEY, **changes: Any) -> Response:
        """Submit the payment. A change to ``None`` removes a parameter."""
        return self.backend.at(self.now).post("/payments", REQUEST | changes, key)

    def start(self, key: str = KEY) -> None:
        """Submit the payment in a process that ends before PayNearMe responds."""
        self.paynearme.next_replies.insert(0, ProcessKilled())
        try:
            self.submit(key)
        except ProcessKilled:
            return
        raise AssertionError("the payment was not submitted")

    def finish(self, **changes: str | None) -> None:
        """Send the confirmation of the payment, with ``changes``."""
        defaults: dict[str, str | None] = {
            "pnm_order_identifier": ORDER,
            "site_payment_identifier": identifier_of(),
            "pnm_payment_identifier": PNM_PAYMENT,
            "payment_amount": "1000.00",
            "net_payment_amount": "1000.00",
            "timestamp": unix_time(self.now),
        }
        message = confirmation(**defaults | cast(Any, PII_FIELDS) | changes)
        assert send_at(self.now, self.confirm, message).status == 200

    def stored_intent(self) -> dict[str, Any]:
        """Return the only intent."""
        [item] = [item for item in self.ledger_table.all_items() if item["sk"] == "INTENT"]
        return item

    def stored_outcomes(self) -> list[dict[str, Any]]:
        """Return the items of the confirmed outcomes."""
        return [item for item in self.ledger_table.all_items() if "SITE_PAYMENT#" in item["pk"]]


class ProcessKilled(BaseException):
    """The end of the process. No function catches it."""


def outcome(response: Response) -> tuple[int, str]:
    """Return the HTTP status of a response, and the payment's status or the problem type."""
    return response.status, response.content["status"] if response.status == 200 else problem_type(response)


OUTCOME_UNKNOWN = (504, "payment-outcome-unknown")
IN_PROGRESS = (409, "payment-in-progress")
KEY_REUSED = (422, "idempotency-key-reused")
SUBMITTED = (200, "submitted")
CONFIRMED = (200, "confirmed")
PAYMENT_FAILED = (422, "payment-failed")
REJECTED = (422, "rejected-by-paynearme")
EXPIRED_AUTHORIZATION = (409, "bank-authorization-expired")
