"""A DynamoDB table in memory with an index that has a delay. It rejects requests that the layer does not send."""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from paynearme.ledger.pending_payments import INDEX, PENDING_ATTRIBUTES
from paynearme.platform.dynamodb import Item, Key

TOKEN_SECONDS = 600
"""The time in which DynamoDB identifies a repeated transaction."""
_PROJECTION = ("pk", "sk", *PENDING_ATTRIBUTES, "site_identifier", "pnm_payment_identifier", "pnm_order_identifier")
_UPDATE_FIELDS = {"TableName", "Key", "UpdateExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"}
_CONDITION_FIELDS = {"ConditionExpression", "ReturnValuesOnConditionCheckFailure"}
_TERM = re.compile(r"attribute_(not_)?exists\((\w+)\)|(\w+) (=|<=) (:\w+)")
_EVALUATED = re.compile(r"(?:True|False|and|or|[() ])+")
_CLAUSE = re.compile(r"\b(SET|ADD|REMOVE) (.*?)(?= (?:ADD|REMOVE) |$)")
_ACTION = re.compile(r"(#n\d+)(?: = (:v\d+)| = if_not_exists\(\1, (:v\d+)\)| (:v\d+)|)(?:, |$)")
_from_wire, _to_wire = TypeDeserializer().deserialize, TypeSerializer().serialize


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
        return {"dynamodb": {"ApproximateCreationDateTime": self.at, **images}}


@dataclass
class Store:
    """The items of one table. ``on_commit`` receives the changes of each successful write."""

    clock: Callable[[], float]
    on_commit: Callable[[Sequence[Change]], None] = lambda changes: None
    page_size: int = 100
    items: dict[Key, Item] = field(default_factory=dict)
    change_count: int = 0
    index: dict[Key, Item] = field(default_factory=dict)
    index_updates: deque[tuple[Key, Item]] = field(default_factory=deque)
    tokens: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 # boto3's name
        [(table_name, request)] = RequestItems.items()
        assert set(request) == {"Keys", "ConsistentRead"} and request["ConsistentRead"], request
        keys = [_key(key) for key in request["Keys"]]
        assert 0 < len(keys) <= 100 and len(set(keys)) == len(keys), "invalid or repeated keys"
        found = [to_wire_item(self.items[key]) for key in keys if key in self.items]
        return {"Responses": {table_name: found}, "UnprocessedKeys": {}}

    def query(self, **request: Any) -> dict[str, Any]:
        values, expression = request["ExpressionAttributeValues"], request["KeyConditionExpression"]
        names = dict(zip(("#partition", "#sort"), PENDING_ATTRIBUTES, strict=True))
        assert request["IndexName"] == INDEX and request["ExpressionAttributeNames"] == names, request
        assert expression == "#partition = :partition AND #sort BETWEEN :first AND :last", request
        partition, first, last = (values[name]["S"] for name in (":partition", ":first", ":last"))
        start = request.get("ExclusiveStartKey", {})
        start_position = tuple(start[name]["S"] for name in ("pending_since", "pk", "sk")) if start else ("", "", "")
        found = sorted(
            (item["pending_since"], *key)
            for key, item in self.index.items()
            if item["pending_partition"] == partition and first <= item["pending_since"] <= last
        )
        found = [entry for entry in found if entry > start_position]
        page = [to_wire_item(self.index[entry[1:]]) for entry in found[: min(request["Limit"], self.page_size)]]
        if len(page) == len(found):
            return {"Items": page}
        return {"Items": page, "LastEvaluatedKey": {name: page[-1][name] for name in _PROJECTION[:4]}}

    def update_item(self, **request: Any) -> dict[str, Any]:
        change, failed = self._evaluate(request)
        if failed:
            raise client_error("ConditionalCheckFailedException", **_old_item(change))
        self._commit([change])
        return {}

    def transact_write_items(self, *, TransactItems: Sequence[Any], ClientRequestToken: str) -> dict[str, Any]:  # noqa: N803 # boto3's name
        assert 0 < len(TransactItems) <= 100 and all(set(item) == {"Update"} for item in TransactItems), TransactItems
        applied_at, payload = self.tokens.get(ClientRequestToken, (float("-inf"), None))
        if self.clock() - applied_at < TOKEN_SECONDS:
            assert payload == TransactItems, "another request has the same token"
            return {}
        results = [self._evaluate(item["Update"]) for item in TransactItems]
        assert len({change.key for change, _ in results}) == len(results), "several updates of one item"
        if any(failed for _, failed in results):
            reasons = [
                {"Code": "ConditionalCheckFailed", **_old_item(change)} if failed else {"Code": "None"}
                for change, failed in results
            ]
            raise client_error("TransactionCanceledException", CancellationReasons=reasons)
        self._commit([change for change, _ in results])
        self.tokens[ClientRequestToken] = (self.clock(), list(TransactItems))
        return {}

    def update_index(self, count: int = 10**9) -> None:
        """Apply the oldest changes to the index."""
        for _ in range(min(count, len(self.index_updates))):
            key, item = self.index_updates.popleft()
            self.index.pop(key, None)
            if item:
                self.index[key] = item

    def _evaluate(self, request: Mapping[str, Any]) -> tuple[Change, bool]:
        """Return the change of a request, and whether its condition failed."""
        condition = request.get("ConditionExpression", "")
        assert request.keys() <= _UPDATE_FIELDS | (_CONDITION_FIELDS if condition else set()), request
        assert request.get("ReturnValuesOnConditionCheckFailure", "ALL_OLD") == "ALL_OLD", request
        names, expression = request["ExpressionAttributeNames"], request["UpdateExpression"]
        values = {name: _from_wire(value) for name, value in request.get("ExpressionAttributeValues", {}).items()}
        assert all(value not in (set(), None) for value in values.values()), f"empty value in {values}"
        used = set(re.findall(r":\w+", f"{expression} {condition}"))
        assert used == values.keys(), f"unused or undefined values in {request}"
        assert not {"pk", "sk"} & set(names.values()), "an update of a key"
        key = _key(request["Key"])
        old = self.items.get(key, {})
        new = updated(expression, old or {"pk": key[0], "sk": key[1]}, names, values)
        return Change(key, old, new, self.clock()), bool(condition) and not is_satisfied(condition, old, values)

    def _commit(self, changes: Sequence[Change]) -> None:
        changes = [change for change in changes if change.old != change.new]
        self.change_count += len(changes)
        for change in changes:
            self.items[change.key] = change.new
            if change.key[1] == "PAYMENT" or any(name in change.old | change.new for name in PENDING_ATTRIBUTES):
                is_indexed = all(name in change.new for name in PENDING_ATTRIBUTES)
                item = {name: change.new[name] for name in _PROJECTION if name in change.new}
                self.index_updates.append((change.key, item if is_indexed else {}))
        self.on_commit(changes)


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
    assert set(wire_key) == {"pk", "sk"} and all(value["S"] for value in wire_key.values()), wire_key
    return wire_key["pk"]["S"], wire_key["sk"]["S"]


def _old_item(change: Change) -> dict[str, Any]:
    return {"Item": to_wire_item(change.old)} if change.old else {}


def is_satisfied(expression: str, item: Item, values: Mapping[str, Any]) -> bool:
    """Evaluate ``attribute_exists``, its negation, ``=`` and ``<=`` with ``AND``, ``OR`` and parentheses."""

    def evaluate_term(match: re.Match[str]) -> str:
        is_negated, attribute, name, operator, placeholder = match.groups()
        if attribute:
            return str((attribute in item) is not bool(is_negated))
        stored: Any = item.get(name)
        value = values[placeholder]
        # ``True`` and 1 differ in DynamoDB.
        if type(stored) is not type(value):
            return "False"
        return str(stored == value if operator == "=" else bool(stored <= value))

    text = _TERM.sub(evaluate_term, expression).replace(" AND ", " and ").replace(" OR ", " or ")
    assert _EVALUATED.fullmatch(text), f"unsupported condition {expression}"
    return bool(eval(text))  # noqa: S307 # only names of operators and of booleans


def updated(expression: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> Item:
    """Return the changed item of an update expression. ``item`` remains unchanged."""
    result = dict(item)
    actions = _actions(expression)
    assert len({name for _, name, *_ in actions}) == len(actions) == len(names), f"paths in {expression}"
    for verb, name, assigned, default, added in actions:
        attribute = names[name]
        if verb == "REMOVE":
            result.pop(attribute, None)
        elif verb == "ADD":
            value = values[added]
            if attribute in item:
                assert type(item[attribute]) is type(value), f"ADD to {attribute} of another type"
                value = item[attribute] | value if isinstance(value, set) else item[attribute] + value
            result[attribute] = value
        elif default:
            result.setdefault(attribute, values[default])
        else:
            result[attribute] = values[assigned]
    return result


@lru_cache(maxsize=2048)
def _actions(expression: str) -> list[tuple[str, ...]]:
    """Return the verb, the name and the value of each action, as assigned value, default and added value."""
    actions = []
    for verb, text in _CLAUSE.findall(expression):
        found = list(_ACTION.finditer(text))
        assert "".join(match[0] for match in found) == text, f"unsupported update {expression}"
        actions += [(verb, *match.groups(default="")) for match in found]
    kinds = {(verb, bool(assigned or default), bool(added)) for verb, _, assigned, default, added in actions}
    assert kinds <= {("SET", True, False), ("ADD", False, True), ("REMOVE", False, False)}, expression
    rebuilt = " ".join(f"{verb} {text}" for verb, text in _CLAUSE.findall(expression))
    assert rebuilt == expression, f"unsupported update {expression}"
    return actions
