"""The simulation finds no error, reproduces its runs, and has a table that agrees with moto's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from moto import mock_aws

from paynearme.ledger.pending_payments import INDEX, PENDING_ATTRIBUTES
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table, Update
from tests.simulation.search import first_failure, quiet_logs
from tests.simulation.simulation import run_seed
from tests.simulation.store import Store
from tests.support.template import RESOURCES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


TABLE_NAME = "simulation"
CREDENTIALS: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
KEYS_AND_INDEXES: Any = {
    name: RESOURCES["LedgerTable"]["Properties"][name]
    for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}
KEYS = [(pk, sk) for pk in ("P#1", "P#2") for sk in "ab"]
ENDPOINT = "SIMULATION_DYNAMODB_ENDPOINT"
"""The environment variable for the URL of another DynamoDB, for example of the emulator."""

_from_wire = TypeDeserializer().deserialize


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_logs():
        yield


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


def random_update(random: Random, sort_key: str) -> Update:
    """Return an update with the expressions that the ledger uses."""
    conditions: dict[str, dict[str, Any]] = {
        "": {},
        "attribute_not_exists(outcome)": {},
        "outcome = :outcome": {"outcome": random.choice("ab")},
        "(attribute_not_exists(spent) OR spent <= :max)": {"max": random.randint(0, 40)},
        "outcome = :outcome AND (attribute_not_exists(standin) OR standin = :standin)": {
            "outcome": "a",
            "standin": True,
        },
        "attribute_not_exists(windows) OR windows = :windows": {"windows": ["a", "b"]},
    }
    condition = random.choice(list(conditions))
    sets: dict[str, Any] = {
        "outcome": random.choice((None, "a", "b")),
        "standin": random.choice((None, True, False)),
        "windows": random.choice((None, ["a", "b"], ["b"])),
        "pending_since": random.choice((None, f"authorized#{random.randint(1, 9)}")),
        "pending_partition": random.choice((None, "PENDING#00", "PENDING#01")),
    }
    removed = random.choice(((), (), ("pending_since",), ("outcome", "pending_partition")))
    return Update(
        random.choice(("P#1", "P#2")),
        sort_key,
        {name: value for name, value in sets.items() if name not in removed},
        removed,
        increments={"spent": Decimal(random.randint(-20, 20)), "revision": Decimal(1)},
        set_additions={"tags": random.choice(((), ("x",), ("x", "y")))},
        condition=condition,
        condition_values=conditions[condition],
    )


def random_request(random: Random) -> tuple[str, dict[str, Any]]:
    """Return an operation and its request: an update, or a transaction of one or two updates."""
    if random.random() < 0.5:
        return "update_item", random_update(random, random.choice("ab")).to_request(TABLE_NAME)
    updates = [random_update(random, sort_key) for sort_key in random.choice(("a", "ab", "ba"))]
    items = [{"Update": update.to_request(TABLE_NAME)} for update in updates]
    return "transact_write_items", {"TransactItems": items, "ClientRequestToken": f"{random.random()}"}


def outcome(operation: Callable[..., object], request: dict[str, Any]) -> object:
    """Return the comparable part of an error, or ``None`` for a success."""
    try:
        operation(**request)
    except ClientError as error:
        details: Any = error.response
        reasons = [(reason["Code"], plain(reason.get("Item"))) for reason in details.get("CancellationReasons", [])]
        return details["Error"]["Code"], plain(details.get("Item")), reasons
    return None


def plain(item: Any) -> dict[str, Any]:
    return {name: _from_wire(value) for name, value in (item or {}).items()}


@pytest.mark.parametrize("seed_value", range(4))
def test_simulation_store_matches_dynamodb(dynamodb: "DynamoDBClient", seed_value: int) -> None:
    random = Random(seed_value)  # noqa: S311 # repeatable, not secret
    store, deadline = Store(clock=lambda: 0.0), Deadline.after(600)
    clients: list[Any] = [store, dynamodb]
    sort_key_range = ("authorized#2", "authorized#8")
    for _ in range(60):
        operation, request = random_request(random)
        stored, expected = (outcome(getattr(client, operation), request) for client in clients)
        assert stored == expected
        store.update_index()
        read, expected_read = (Table(TABLE_NAME, client).read(KEYS, deadline) for client in clients)
        assert read == expected_read
        found, expected_found = (
            sorted(
                item["pk"] + item["sk"]
                for item in Table(TABLE_NAME, client).query(
                    INDEX, PENDING_ATTRIBUTES, "PENDING#00", sort_key_range, deadline
                )
            )
            for client in clients
        )
        assert found == expected_found


@pytest.mark.parametrize("seed_value", range(1, 5))
def test_simulation_seed_without_error(seed_value: int) -> None:
    run_seed(seed_value, steps=150)


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
