"""The simulation finds no error, reproduces its runs, and has a table that agrees with moto's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.simulation.search import first_failure
from tests.simulation.simulation import run_seed
from tests.simulation.store import Store
from tests.support.template import RESOURCES
from tests.support.test_run import IS_FULL

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


TABLE_NAME = "table"
CREDENTIALS: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
KEYS_AND_INDEXES: Any = {
    name: RESOURCES["LedgerTable"]["Properties"][name]
    for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}
ENDPOINT = "SIMULATION_DYNAMODB_ENDPOINT"  # the URL of another DynamoDB, for example of the emulator

_from_wire = TypeDeserializer().deserialize


@pytest.fixture
def dynamodb(request: pytest.FixtureRequest) -> Iterator["DynamoDBClient"]:
    """The table in moto, or at another endpoint."""
    endpoint = os.environ.get(ENDPOINT)
    if endpoint:
        request.getfixturevalue("socket_enabled")
    with nullcontext() if endpoint else mock_aws():
        client = boto3.client("dynamodb", endpoint_url=endpoint, **CREDENTIALS)
        client.create_table(TableName=TABLE_NAME, **KEYS_AND_INDEXES)
        yield client
        client.delete_table(TableName=TABLE_NAME)


def call(operation: Callable[..., Any], request: dict[str, Any]) -> Any:
    """Return the response or the error."""
    try:
        return operation(**request)
    except ClientError as error:
        return error


def outcome(result: Any) -> object:
    """Return the comparable part of a response or of an error."""
    if isinstance(result, ClientError):
        details: Any = result.response
        reasons = [(reason["Code"], plain(reason.get("Item"))) for reason in details.get("CancellationReasons", [])]
        return details["Error"]["Code"], plain(details.get("Item")), reasons
    items = [*result.get("Items", []), *result.get("Responses", {}).get(TABLE_NAME, [])]
    return sorted((plain(item) for item in items), key=lambda item: str(item["pk"] + item["sk"]))


def plain(item: Any) -> dict[str, Any]:
    return {name: _from_wire(value) for name, value in (item or {}).items()}


@pytest.mark.parametrize("seed_value", range(8, 58 if IS_FULL else 11))
def test_simulation_store_matches_dynamodb(
    dynamodb: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch, seed_value: int
) -> None:
    """Each request of a run has the same result in DynamoDB."""

    def compared(name: str, send: Callable[..., Any]) -> Callable[..., Any]:
        def compare(store: Store, **request: Any) -> Any:
            # The index of moto has no delay, and moto applies a repeated transaction a second time.
            store.update_index()
            is_repeated = request.get("ClientRequestToken") in store.tokens
            result = call(partial(send, store), request)
            if not is_repeated and (name != "query" or outcome(result)):
                page = {"Limit": store.page_size} if name == "query" else {}
                assert outcome(call(getattr(dynamodb, name), request | page)) == outcome(result)
            if isinstance(result, ClientError):
                raise result
            return result

        return compare

    for name in ("batch_get_item", "query", "update_item", "transact_write_items"):
        monkeypatch.setattr(Store, name, compared(name, getattr(Store, name)))
    run_seed(seed_value, steps=60)


def test_simulation_seeds_without_error() -> None:
    assert first_failure(range(1, 5), 150) == (None, 4)


def test_simulation_seed_reproduces_run_in_other_process() -> None:
    script = "from tests.simulation.simulation import run_seed; print(run_seed(7, steps=100).digest.hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.split()[-1] == run_seed(7, steps=100).digest.hexdigest()


@pytest.mark.parametrize("name", ["a confirmation without its condition", "a submission without its condition"])
def test_simulation_planted_bug_found(name: str) -> None:
    failure, _ = first_failure(range(1, 20), 200, name)
    assert failure
