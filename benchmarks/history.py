"""Compare the cost of an authorization for a customer with 10 payments and for a customer with 10,000 payments.

``make bench`` runs this module on the stack of ``make up``. The ledger module stores the history. Compare only ratios:
the times depend on the machine.
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
from rich.table import Table as OutputTable

from paynearme.ledger.authorization import authorize
from paynearme.ledger.confirmation import confirm
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.policy import SitePolicy, read_policy
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, stringify_parameters, with_new_identifier
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import STACK_DIR
from sandbox.stack.stack import load as load_stack

HISTORY_SIZES = (10, 10_000)
_SAMPLES, _CONCURRENCY, _TIMEOUT_SECONDS = 200, 4, 60.0

# Every kind of customer rule, so that an authorization reads all items that any rule needs.
_POLICY = """{"defaults": {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "Etc/UTC",
"chargebacks": {"max_count": 1, "within_days": 365}, "returns": {"max_count": 1, "within_days": 365},
"spending_limits": [{"window": "day", "amount": "999999999.00", "payment_types": ["credit", "debit"]},
{"window": "week", "amount": "999999999.00"}, {"window": "month", "amount": "999999999.00"}]}}"""


@dataclass
class _RequestMeter:
    """The DynamoDB requests of a client: names, and the keys, items and bytes of reads."""

    requests: list[str] = field(default_factory=list)
    keys: int = 0
    items: int = 0
    bytes: int = 0

    def count_request(self, *, params: Any, model: Any, **_: Any) -> None:
        self.requests.append(model.name)
        if model.name == "BatchGetItem":
            self.keys += sum(len(table["Keys"]) for table in params["RequestItems"].values())

    def count_response(self, *, http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
        if model.name == "BatchGetItem":
            self.items += sum(len(items) for items in parsed["Responses"].values())
            self.bytes += len(http_response.content)


def _messages(customer: str, count: int) -> Iterator[tuple[Authorization, Confirmation]]:
    base = load("authorization")["credit"] | {"site_identifier": GAMING_SITE}
    for _ in range(count):
        authorization = {**with_new_identifier(base), "site_customer_identifier": customer}
        envelope = {"timestamp": str(int(time.time())), "version": "3.0"}
        yield (
            read_message(Authorization, stringify_parameters({**authorization, **envelope})),
            read_message(Confirmation, stringify_parameters({**build_confirmation(authorization), **envelope})),
        )


def _simulate_history(table: Table, policy: SitePolicy, customer: str, count: int) -> None:
    """Store ``count`` payments of a customer, distributed over the last year."""

    def pay(indexed_messages: tuple[int, tuple[Authorization, Confirmation]]) -> None:
        index, (authorization, confirmation) = indexed_messages
        timestamp = datetime.now(UTC) - timedelta(days=index % 365)
        authorize(table, authorization, policy, timestamp, Deadline.after(_TIMEOUT_SECONDS))
        confirm(table, confirmation, policy, timestamp, Deadline.after(_TIMEOUT_SECONDS))

    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        list(threads.map(pay, enumerate(_messages(customer, count))))


def main() -> None:
    """Measure both histories, and print the differences."""
    stack = load_stack(STACK_DIR)
    if stack is None:
        sys.exit("No local stack is running. Start it with 'make up'.")
    policy = read_policy(_POLICY).defaults
    client = stack.client("dynamodb")
    table = Table(stack.table_name, client)
    headers = ("payments", "requests", "keys", "items", "bytes", "time ratio")
    output = OutputTable(*headers, box=None, padding=(0, 2))
    medians: list[float] = []
    for size in HISTORY_SIZES:
        customer = f"history-{size}-{time.time_ns()}"
        _simulate_history(table, policy, customer, size)
        meter = _RequestMeter()
        client.meta.events.register("before-parameter-build.dynamodb", meter.count_request, unique_id="before")
        client.meta.events.register("after-call.dynamodb", meter.count_response, unique_id="after")
        seconds = []
        for authorization, _ in _messages(customer, _SAMPLES):
            started = time.perf_counter()
            authorize(table, authorization, policy, datetime.now(UTC), Deadline.after(_TIMEOUT_SECONDS))
            seconds.append(time.perf_counter() - started)
        client.meta.events.unregister("before-parameter-build.dynamodb", unique_id="before")
        client.meta.events.unregister("after-call.dynamodb", unique_id="after")
        medians.append(median(seconds))
        totals = (len(meter.requests), meter.keys, meter.items, meter.bytes)
        averages = [f"{value / _SAMPLES:.0f}" for value in totals]
        output.add_row(f"{size:,}", *averages, f"{medians[-1] / medians[0]:.2f}")
    Console().print(output)


if __name__ == "__main__":
    main()
