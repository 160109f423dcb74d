"""Compare the simulation's table with a DynamoDB, request by request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from tests.simulation.store import Store
from tests.support.template import RESOURCES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE_NAME = "table"
"""The name in the simulation's requests."""

_KEYS_AND_INDEXES: Any = {
    name: RESOURCES["LedgerTable"]["Properties"][name]
    for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}
_from_wire = TypeDeserializer().deserialize


@contextmanager
def compared_with(client: "DynamoDBClient") -> Iterator[None]:
    """Send each request of the simulation also to ``client``. Fail if the results differ."""
    client.create_table(TableName=TABLE_NAME, **_KEYS_AND_INDEXES)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("batch_get_item", "query", "update_item", "transact_write_items"):
            patch.setattr(Store, name, _compared(name, getattr(Store, name), client))
        yield
    client.delete_table(TableName=TABLE_NAME)


def _compared(name: str, send: Callable[..., Any], client: "DynamoDBClient") -> Callable[..., Any]:
    def compare(store: Store, **request: Any) -> Any:
        # The index of moto and of the emulator has no delay, and moto applies a repeated transaction a second time.
        store.update_index()
        is_repeated = request.get("ClientRequestToken") in store.tokens
        result = _call(partial(send, store), request)
        if not is_repeated:
            page = {"Limit": store.page_size} if name == "query" else {}
            assert _outcome(_call(getattr(client, name), request | page)) == _outcome(result)
        if isinstance(result, ClientError):
            raise result
        return result

    return compare


def _call(operation: Callable[..., Any], request: dict[str, Any]) -> Any:
    """Return the response or the error."""
    try:
        return operation(**request)
    except ClientError as error:
        return error


def _outcome(result: Any) -> object:
    """Return the comparable part of a response or of an error."""
    if isinstance(result, ClientError):
        details: Any = result.response
        reasons = [(reason["Code"], _plain(reason.get("Item"))) for reason in details.get("CancellationReasons", [])]
        return details["Error"]["Code"], _plain(details.get("Item")), reasons
    items = [*result.get("Items", []), *result.get("Responses", {}).get(TABLE_NAME, [])]
    return sorted((_plain(item) for item in items), key=lambda item: str(item["pk"] + item["sk"]))


def _plain(item: Any) -> dict[str, Any]:
    return {name: _from_wire(value) for name, value in (item or {}).items()}
