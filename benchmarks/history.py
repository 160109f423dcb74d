"""What an authorization reads and writes of a customer with 10 payments, and of one with 10,000.

``make bench`` runs it on the stack that ``make up`` left running. The payments are made by the ledger itself.
Times are compared as ratios only.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from local.__main__ import LEFT_RUNNING
from local.drive import confirmation_of
from local.events import as_text, load, with_fresh_payment
from local.sites import GAMING_SITE
from local.stack import load as load_stack
from paynearme.deadline import Deadline
from paynearme.ledger import Ledger
from paynearme.messages import Authorization, Confirmation, read_message
from paynearme.policy import SitePolicy, read_policy
from paynearme.table import Table

HISTORIES = (10, 10_000)
_MEASURED, _AT_ONCE, _PATIENCE_SECONDS = 200, 4, 60.0

# Rules by customer of every kind, so that everything is read that a rule can ask for.
_POLICY = """{"defaults": {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "Etc/UTC",
"chargebacks": {"max_count": 1, "within_days": 365}, "returns": {"max_count": 1, "within_days": 365},
"spending_limits": [{"window": "day", "amount": "999999999.00", "payment_types": ["credit", "debit"]},
{"window": "week", "amount": "999999999.00"}, {"window": "month", "amount": "999999999.00"}]}}"""


@dataclass
class _Traffic:
    """What the client asked DynamoDB for: calls by name, and of reads the keys, the items and their bytes."""

    calls: list[str] = field(default_factory=list)
    keys: int = 0
    items: int = 0
    bytes: int = 0

    def before(self, *, params: Any, model: Any, **_: Any) -> None:
        self.calls.append(model.name)
        if model.name == "BatchGetItem":
            self.keys += sum(len(table["Keys"]) for table in params["RequestItems"].values())

    def after(self, *, http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
        if model.name == "BatchGetItem":
            self.items += sum(len(found) for found in parsed["Responses"].values())
            self.bytes += len(http_response.content)


def _messages(customer: str, number: int) -> Iterator[tuple[Authorization, Confirmation]]:
    base = load("authorization")["credit"] | {"site_identifier": GAMING_SITE}
    for _ in range(number):
        asked = {**with_fresh_payment(base), "site_customer_identifier": customer}
        sent = {"timestamp": str(int(time.time())), "version": "3.0"}
        yield (
            read_message(Authorization, as_text({**asked, **sent})),
            read_message(Confirmation, as_text({**confirmation_of(asked), **sent})),
        )


def _live_through(ledger: Ledger, policy: SitePolicy, customer: str, number: int) -> None:
    """Make ``number`` payments of a customer, spread over the year before now."""

    def pay(numbered: tuple[int, tuple[Authorization, Confirmation]]) -> None:
        position, (asked, told) = numbered
        moment = datetime.now(UTC) - timedelta(days=position % 365)
        ledger.authorize(asked, policy, moment, Deadline.after(_PATIENCE_SECONDS))
        ledger.confirm(told, policy, moment, Deadline.after(_PATIENCE_SECONDS))

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(pay, enumerate(_messages(customer, number))))


def main() -> None:
    """Measure, and print what differs."""
    stack = load_stack(LEFT_RUNNING)
    if stack is None:
        sys.exit("There is no local stack: start one with 'make up'.")
    policy = read_policy(_POLICY).defaults
    client = stack.client("dynamodb")
    ledger = Ledger(Table(stack.table_name, client))
    shown = Shown(
        "payments before",
        "calls",
        "keys read",
        "items found",
        "bytes read",
        "time, as a ratio",
        box=None,
        padding=(0, 2),
    )
    medians: list[float] = []
    for number in HISTORIES:
        customer = f"history-{number}-{time.time_ns()}"
        _live_through(ledger, policy, customer, number)
        traffic = _Traffic()
        client.meta.events.register("before-parameter-build.dynamodb", traffic.before, unique_id="before")
        client.meta.events.register("after-call.dynamodb", traffic.after, unique_id="after")
        seconds = []
        for asked, _ in _messages(customer, _MEASURED):
            started = time.perf_counter()
            ledger.authorize(asked, policy, datetime.now(UTC), Deadline.after(_PATIENCE_SECONDS))
            seconds.append(time.perf_counter() - started)
        client.meta.events.unregister("before-parameter-build.dynamodb", unique_id="before")
        client.meta.events.unregister("after-call.dynamodb", unique_id="after")
        medians.append(median(seconds))
        each = (len(traffic.calls), traffic.keys, traffic.items, traffic.bytes)
        numbers = [f"{value / _MEASURED:.0f}" for value in each]
        shown.add_row(f"{number:,}", *numbers, f"{medians[-1] / medians[0]:.2f}")
    Console().print(shown)


if __name__ == "__main__":
    main()
