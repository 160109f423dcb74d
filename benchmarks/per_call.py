"""Count what one call costs: requests, keys, items and bytes of DynamoDB, and the bytes of its log.

The counts do not depend on the machine. From them follows the part of the costs that a change of the code can change.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.aws_stub import AwsStub
from benchmarks.cases import prepare
from benchmarks.report import Table

CASES = ("authorize", "authorize, gaming policy", "authorize, duplicate", "confirm", "confirm, duplicate", "reverse")
# US dollars for a million units, and for a gigabyte of logs (docs/costs.md).
_WRITE_PRICE, _READ_PRICE, _LOG_PRICE = 0.625, 0.125, 0.50
_PAYMENT = ("authorize", "confirm")


@dataclass(frozen=True)
class Counts:
    """The counts of one call. Each item is at most a kilobyte, and each read at most four."""

    requests: int
    keys: int
    items: int
    index_writes: int
    bytes_sent: int
    log_bytes: int

    @property
    def write_units(self) -> int:
        """Return the write units: two for each item of a transaction, one for the index."""
        return 2 * self.items + self.index_writes

    @property
    def dollars_per_million(self) -> float:
        """Return the price of a million calls."""
        return self.write_units * _WRITE_PRICE + self.keys * _READ_PRICE + self.log_bytes / 1000 * _LOG_PRICE


def count(name: str) -> Counts:
    """Return the counts of a case. It writes to the standard output, so use a process of its own."""
    stub = AwsStub()
    call = prepare(name, stub)
    stub.requests.clear()
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        descriptor = os.dup(1)
        os.dup2(output.fileno(), 1)
        call()
        sys.stdout.flush()
        os.dup2(descriptor, 1)
        log_bytes = output.seek(0, os.SEEK_END)
    written = [] if stub.conflicts else [item for _, parameters, _ in stub.requests for item in _items(parameters)]
    return Counts(
        requests=len(stub.requests),
        keys=sum(len(table["Keys"]) for _, sent, _ in stub.requests for table in sent.get("RequestItems", {}).values()),
        items=len(written),
        index_writes=sum("pending_since" in item["ExpressionAttributeNames"].values() for item in written),
        bytes_sent=sum(size for *_, size in stub.requests),
        log_bytes=log_bytes,
    )


def _items(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return [item["Update"] for item in parameters.get("TransactItems", [])]


def run() -> Table:
    """Return the table of all cases, and of a payment with one authorization and one confirmation."""
    header = ("call", "requests", "keys", "items", "write units", "bytes sent", "log bytes", "$ per million")
    table = Table("Units of one call", header)
    counts = {}
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.per_call", name]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout  # noqa: S603 # this interpreter
        counts[name] = Counts(**json.loads(output.splitlines()[-1]))
    for name, counted in counts.items():
        values = (counted.requests, counted.keys, counted.items, counted.write_units)
        sizes = (f"{counted.bytes_sent:,}", str(counted.log_bytes), f"{counted.dollars_per_million:.2f}")
        table.rows.append((name, *map(str, values), *sizes))
    payment = [counts[name] for name in _PAYMENT]
    units, dollars = sum(c.write_units for c in payment), sum(c.dollars_per_million for c in payment)
    keys, items = sum(c.keys for c in payment), sum(c.items for c in payment)
    requests, sent = sum(c.requests for c in payment), sum(c.bytes_sent for c in payment)
    row = (requests, keys, items, units, f"{sent:,}", sum(c.log_bytes for c in payment), f"{dollars:.2f}")
    table.rows.append(("payment: authorize and confirm", *map(str, row)))
    return table


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(count(sys.argv[1]))) + "\n")
