"""Errors of AWS services."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.platform.dynamodb import Table

MARKER = "zq7"
"""A part of all values that must be neither stored nor logged, and of every error text."""


def client_error(code: str, status: int = 400, **fields: Any) -> ClientError:
    """Return an error response with additional ``fields``."""
    error = {"Code": code, "Message": MARKER}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}, **fields}
    return ClientError(response, "Operation")


def transaction_cancelled(*reasons: str, items: Iterable[Any] = ()) -> ClientError:
    """Return the error of a cancelled transaction. ``items`` are the items of the failed conditions."""
    conflict_items = iter(items)
    cancellation_reasons = [
        {"Code": reason}
        | ({"Item": item} if reason == "ConditionalCheckFailed" and (item := next(conflict_items, None)) else {})
        for reason in reasons
    ]
    return client_error("TransactionCanceledException", CancellationReasons=cancellation_reasons)


def raise_in_table(monkeypatch: pytest.MonkeyPatch, raise_error: Callable[..., None]) -> None:
    """Replace the requests of ``Table`` with ``raise_error``."""
    for method in ("read", "update", "transact"):
        monkeypatch.setattr(Table, method, raise_error)
