"""A stub of DynamoDB's client, DynamoDB's errors, and unexpected errors of ``Table``."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.platform.dynamodb import Table
from tests.support.aws_errors import client_error
from tests.support.fake_clock import Clock

CONDITION_FAILED = "ConditionalCheckFailed"


def raise_in_table(monkeypatch: pytest.MonkeyPatch, raise_error: Callable[..., None]) -> None:
    """Replace the requests of ``Table`` with ``raise_error``."""
    for method in ("read", "update", "transact"):
        monkeypatch.setattr(Table, method, raise_error)


def transaction_cancelled(*reasons: str, items: Iterable[Any] = ()) -> ClientError:
    """Return the error of a cancelled transaction. ``items`` are the items of the failed conditions."""
    conflict_items = iter(items)
    cancellation_reasons = [
        {"Code": reason}
        | ({"Item": item} if reason == CONDITION_FAILED and (item := next(conflict_items, None)) else {})
        for reason in reasons
    ]
    return client_error("TransactionCanceledException", CancellationReasons=cancellation_reasons)


class DynamoDBStub:
    """Replace DynamoDB's client. Each call takes ``seconds`` and raises the next of ``errors``."""

    def __init__(self, clock: Clock, *errors: Exception, seconds: float = 0.01) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.seconds = seconds
        self.requests: list[dict[str, Any]] = []
        self.started_at: list[float] = []
        self.found_items: list[dict[str, Any]] = []
        self.unprocessed_count = 0

    def update_item(self, **request: Any) -> None:
        self.started_at.append(self.clock.now)
        self.requests.append(request)
        self.clock.advance(self.seconds)
        if self.errors:
            raise self.errors.pop(0)

    transact_write_items = update_item

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return ``found_items``, but only the first one for the first ``unprocessed_count`` calls."""
        self.update_item(**request)
        if not self.unprocessed_count:
            return {"Responses": {"payments": self.found_items}, "UnprocessedKeys": {}}
        self.unprocessed_count -= 1
        return {"Responses": {"payments": self.found_items[:1]}, "UnprocessedKeys": request["RequestItems"]}
