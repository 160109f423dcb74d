"""A DynamoDB table in memory with the four operations of ``Table``, an index with a delay, and a stream."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from paynearme.ledger.unconfirmed import INDEX, PENDING_ATTRIBUTES
from paynearme.platform.dynamodb import Item, Key
from tests.simulation.expressions import is_equal, parse_condition, parse_update, require

TOKEN_SECONDS = 600
"""The time in which DynamoDB identifies a repeated transaction."""

_INDEX_ATTRIBUTES = ("pk", "sk", *PENDING_ATTRIBUTES, "site_identifier", "pnm_payment_identifier", "pnm_order_identifier")
_UPDATE_FIELDS = frozenset(
    {
        "TableName",
        "Key",
        "UpdateExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ConditionExpression",
        "ReturnValuesOnConditionCheckFailure",
    }
)
_from_wire = TypeDeserializer().deserialize
_to_wire = TypeSerializer().serialize

type Request = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A committed change of one item. A missing image is empty."""

    key: Key
    old: Item
    new: Item
    at: float

    def to_record(self) -> dict[str, Any]:
        """Return the stream record."""
        images = {name: to_wire_item(item) for name, item in (("OldImage", self.old), ("NewImage", self.new)) if item}
        keys = to_wire_item({"pk": self.key[0], "sk": self.key[1]})
        return {"dynamodb": {"Keys": keys, "ApproximateCreationDateTime": self.at, **images}}


@dataclass
class Store:
    """The items of one table. ``on_commit`` receives the changes of each successful write."""

    clock: Callable[[], float]
    on_commit: Callable[[Sequence[Change]], None] = lambda changes: None
    page_size: int = 100
    items: dict[Key, Item] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    index: dict[Key, Item] = field(default_factory=dict)
    index_updates: deque[tuple[Key, Item]] = field(default_factory=deque)
    tokens: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def batch_get_item(self, *, RequestItems: Request) -> dict[str, Any]:  # noqa: N803
        """Return the items of one table, in any order."""
        [(table_name, request)] = RequestItems.items()
        require(set(request) == {"Keys", "ConsistentRead"} and request["ConsistentRead"], request)
        keys = [_key(key) for key in request["Keys"]]
        require(0 < len(keys) <= 100 and len(set(keys)) == len(keys), "invalid or repeated keys")
        found = [to_wire_item(self.items[key]) for key in keys if key in self.items]
        return {"Responses": {table_name: found}, "UnprocessedKeys": {}}

    def query(self, **request: Any) -> dict[str, Any]:
        """Return a page of the index, which can be outdated."""
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        require(request["IndexName"] == INDEX, request)
        require(names == dict(zip(("#partition", "#sort"), PENDING_ATTRIBUTES, strict=True)), request)
        expression = "#partition = :partition AND #sort BETWEEN :first AND :last"
        require(request["KeyConditionExpression"] == expression, request)
        partition, first, last = (values[name]["S"] for name in (":partition", ":first", ":last"))
        require(first <= last, "the range is empty")
        found = sorted(
            (item["pending_since"], item["pk"], item["sk"])
            for item in self.index.values()
            if item["pending_partition"] == partition and first <= item["pending_since"] <= last
        )
        if "ExclusiveStartKey" in request:
            start = request["ExclusiveStartKey"]
            found = [entry for entry in found if entry > tuple(start[name]["S"] for name in ("pending_since", "pk", "sk"))]
        page = [to_wire_item(self.index[entry[1:]]) for entry in found[: min(request["Limit"], self.page_size)]]
        if len(page) == len(found):
            return {"Items": page}
        key_names = ("pk", "sk", *PENDING_ATTRIBUTES)
        return {"Items": page, "LastEvaluatedKey": {name: page[-1][name] for name in key_names}}

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Apply one update. Raises ``ClientError`` with the current item if its condition does not hold."""
        change, failed = self._evaluate(request)
        if failed:
            item = {"Item": to_wire_item(change.old)} if change.old else {}
            raise client_error("ConditionalCheckFailedException", **item)
        self._commit([change])
        return {}

    def transact_write_items(self, *, TransactItems: Sequence[Request], ClientRequestToken: str) -> dict[str, Any]:  # noqa: N803
        """Apply all updates or none. Raises ``ClientError`` with a reason for each update."""
        require(0 < len(TransactItems) <= 100, "too many items")
        require(all(set(entry) == {"Update"} for entry in TransactItems), "not an update")
        started_at, payload = self.tokens.get(ClientRequestToken, (float("-inf"), None))
        if self.clock() - started_at < TOKEN_SECONDS:
            require(payload == TransactItems, "another request has the same token")
            return {}
        results = [self._evaluate(entry["Update"]) for entry in TransactItems]
        keys = {change.key for change, _ in results}
        require(len(keys) == len(results), "several updates of one item")
        if any(failed for _, failed in results):
            raise client_error("TransactionCanceledException", CancellationReasons=[_reason(*result) for result in results])
        self._commit([change for change, _ in results])
        self.tokens[ClientRequestToken] = (self.clock(), list(TransactItems))
        return {}

    def update_index(self, count: int | None = None) -> None:
        """Apply the oldest changes to the index, or all."""
        for _ in range(len(self.index_updates) if count is None else min(count, len(self.index_updates))):
            key, item = self.index_updates.popleft()
            self.index.pop(key, None)
            if item:
                self.index[key] = item

    def _evaluate(self, request: Request) -> tuple[Change, bool]:
        """Return the change of a request, and whether its condition failed."""
        require(request.keys() <= _UPDATE_FIELDS, request)
        key = _key(request["Key"])
        old = self.items.get(key, {})
        names = request["ExpressionAttributeNames"]
        values = {name: _from_wire(value) for name, value in request.get("ExpressionAttributeValues", {}).items()}
        require(all(value not in (set(), None) for value in values.values()), f"empty value in {values}")
        update, used = parse_update(request["UpdateExpression"]), frozenset[str]()
        failed = False
        if "ConditionExpression" in request:
            require(request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD", request)
            condition = parse_condition(request["ConditionExpression"])
            used = condition.placeholders
            require(used <= values.keys(), f"undefined values in {request}")
            failed = not condition.evaluate(old, values)
        require(update.placeholders | used == values.keys(), f"unused or undefined values in {request}")
        require(not {"pk", "sk"} & set(names.values()), "an update of a key")
        new = update.apply(old or {"pk": key[0], "sk": key[1]}, names, values)
        require(all(isinstance(new.get(name, ""), str) for name in PENDING_ATTRIBUTES), "invalid index key")
        return Change(key, old, new, self.clock()), failed

    def _commit(self, changes: Sequence[Change]) -> None:
        effective = [change for change in changes if not _is_same(change.old, change.new)]
        for change in effective:
            self.items[change.key] = change.new
            if any(name in image for image in (change.old, change.new) for name in PENDING_ATTRIBUTES):
                is_indexed = all(name in change.new for name in PENDING_ATTRIBUTES)
                item = {name: change.new[name] for name in _INDEX_ATTRIBUTES if name in change.new}
                self.index_updates.append((change.key, item if is_indexed else {}))
        self.changes += effective
        self.on_commit(effective)


def client_error(code: str, **details: Any) -> ClientError:
    """Return an AWS error with ``details`` in its response."""
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": 400}, **details}
    return ClientError(response, "Simulated")


def to_wire_item(item: Item) -> dict[str, Any]:
    """Return an item in DynamoDB's format. Numbers have no trailing zeros."""
    return {name: _to_wire(_normalized(value)) for name, value in item.items()}


def _normalized(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return value.to_integral_value() if value == value.to_integral_value() else value.normalize()


def _key(wire_key: Mapping[str, Any]) -> Key:
    require(set(wire_key) == {"pk", "sk"} and all(wire_key[name]["S"] for name in wire_key), wire_key)
    return wire_key["pk"]["S"], wire_key["sk"]["S"]


def _reason(change: Change, failed: bool) -> dict[str, Any]:
    if not failed:
        return {"Code": "None"}
    return {"Code": "ConditionalCheckFailed"} | ({"Item": to_wire_item(change.old)} if change.old else {})


def _is_same(old: Item, new: Item) -> bool:
    return old.keys() == new.keys() and all(is_equal(old[name], new[name]) for name in old)
