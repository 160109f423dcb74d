"""The DynamoDB table: consistent reads, and conditional writes that happen or tell what stood against it."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from paynearme.aws import CLIENT_CONFIG, MAX_ATTEMPT_SECONDS, is_retryable
from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHORT_ATTEMPT_SECONDS = 1.0
"""The most for one request of a table that is used after a slow call to somebody else."""

SHORT_ATTEMPT_THRESHOLD_SECONDS = SHORT_ATTEMPT_SECONDS + 0.2
"""What such a call must leave of the time."""

type Item = dict[str, Any]
"""An item's attributes as Python values: text, ``Decimal``, ``bool``, lists, maps, and sets of text."""

type Key = tuple[str, str]
"""An item's ``pk`` and ``sk``."""

_to_wire = TypeSerializer().serialize
_from_wire = TypeDeserializer().deserialize


class _UnprocessedKeysError(Exception):
    """DynamoDB was too busy to read all that it was asked for."""


@dataclass(frozen=True)
class Update:
    """A change of one item, which is made if it does not exist.

    ``values`` replaces attributes (None leaves one as it is), ``removes`` takes attributes away, ``amounts``
    adds to numbers, ``marks`` adds to sets of text, and all of it happens only if ``condition``, a condition
    expression over ``condition_values``, holds.
    """

    pk: str
    sk: str
    sets: Mapping[str, Any] = field(default_factory=dict)
    removes: Iterable[str] = ()
    increments: Mapping[str, Decimal] = field(default_factory=dict)
    set_additions: Mapping[str, Iterable[str]] = field(default_factory=dict)
    condition: str = ""
    condition_values: Mapping[str, Any] = field(default_factory=dict)

    def to_request(self, table_name: str) -> dict[str, Any]:
        """Return the change in the terms of ``UpdateItem`` and of a transaction's ``Update``."""
        replaced = {name: value for name, value in self.sets.items() if value is not None}
        added = {**self.increments, **{name: set(members) for name, members in self.set_additions.items() if members}}
        removed = sorted(self.removes)
        # Numbered: an attribute's name may hold what a placeholder's may not.
        names = {name: f"#n{number}" for number, name in enumerate((*replaced, *added, *removed))}
        values = {f":v{number}": value for number, value in enumerate((*replaced.values(), *added.values()))}
        value_placeholders = dict(zip((*replaced, *added), values, strict=True))
        parts = {
            "SET": ", ".join(f"{names[name]} = {value_placeholders[name]}" for name in replaced),
            "ADD": ", ".join(f"{names[name]} {value_placeholders[name]}" for name in added),
            "REMOVE": ", ".join(names[name] for name in removed),
        }
        values |= {f":{name}": value for name, value in self.condition_values.items()}
        request: dict[str, Any] = {
            "TableName": table_name,
            "Key": _wire_key((self.pk, self.sk)),
            "UpdateExpression": " ".join(f"{verb} {part}" for verb, part in parts.items() if part),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in names.items()},
        }
        if values:
            request["ExpressionAttributeValues"] = {name: _to_wire(value) for name, value in values.items()}
        if self.condition:
            request["ConditionExpression"] = self.condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request


class Table:
    """The table's only user.

    Every request is tried again after a conflict, throttling or a lost answer for as long as the deadline
    allows, and is safe to repeat. Each raises ``LedgerUnavailableError`` if it could not be finished.
    """

    def __init__(
        self,
        name: str,
        client: "DynamoDBClient | None" = None,
        max_attempt: float = MAX_ATTEMPT_SECONDS,
    ) -> None:
        """Take the table's name; connect to nothing yet.

        No request is begun with less than ``longest_attempt`` seconds left; each is given up after so many.
        """
        self._name = name
        self._max_attempt = max_attempt
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)

    def read(self, keys: Sequence[Key], deadline: Deadline) -> list[Item]:
        """Return the items under ``keys``, different ones, as they are now; an empty one where there is none.

        At most 100 in one round trip.
        """
        requested: Any = {self._name: {"Keys": [_wire_key(key) for key in keys], "ConsistentRead": True}}

        def send() -> Mapping[str, Any]:
            response = self._client.batch_get_item(RequestItems=requested)
            if response["UnprocessedKeys"]:
                raise _UnprocessedKeysError
            return response["Responses"]

        try:
            responses = self._attempt(send, deadline)
        except ClientError as error:
            raise LedgerUnavailableError from error
        items = [_from_wire_item(item) for item in responses[self._name]]
        by_key = {(item["pk"], item["sk"]): item for item in items}
        return [by_key.get(key, {}) for key in keys]

    def query(
        self, index: str, names: tuple[str, str], partition: str, sort_key_range: tuple[str, str], deadline: Deadline
    ) -> Iterator[Item]:
        """Yield what an index holds in a partition, sorted, from the first to the last of ``between``.

        ``names`` are the attributes that the index is made of. An index follows the table after a moment, so
        what it says may be over. One round trip for every hundred.
        """
        request: Any = {
            "TableName": self._name,
            "IndexName": index,
            "KeyConditionExpression": "#partition = :partition AND #sort BETWEEN :first AND :last",
            "ExpressionAttributeNames": dict(zip(("#partition", "#sort"), names, strict=True)),
            "ExpressionAttributeValues": {
                ":partition": {"S": partition},
                ":first": {"S": sort_key_range[0]},
                ":last": {"S": sort_key_range[1]},
            },
            "Limit": 100,
        }
        while True:
            try:
                response = self._attempt(lambda: self._client.query(**request), deadline)
            except ClientError as error:
                raise LedgerUnavailableError from error
            yield from map(_from_wire_item, response["Items"])
            if "LastEvaluatedKey" not in response:
                return
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        """Make one change. Return None if it was made, else the item that its condition refused.

        An item that does not exist is an empty one.
        """
        request = update.to_request(self._name)
        try:
            self._attempt(lambda: self._client.update_item(**request), deadline)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise LedgerUnavailableError from error
            response: Mapping[str, Any] = error.response
            return _from_wire_item(response.get("Item") or {})
        return None

    def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        """Make all changes or none.

        Return None if they were made, else the items whose conditions refused, by the places of their changes
        in ``updates``; an item that does not exist is an empty one. A lost answer does no harm: the repeat
        carries the same token, and the service knows it.
        """
        items: Any = [{"Update": update.to_request(self._name)} for update in updates]
        client_request_token = str(uuid.uuid4())

        def send() -> object:
            return self._client.transact_write_items(TransactItems=items, ClientRequestToken=client_request_token)

        try:
            self._attempt(send, deadline)
        except ClientError as error:
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
            conflicts = {
                index: _from_wire_item(reason.get("Item") or {})
                for index, reason in enumerate(reasons)
                if reason.get("Code") == "ConditionalCheckFailed"
            }
            if not conflicts:
                raise LedgerUnavailableError from error
            return conflicts
        return None

    def _attempt[T](self, function: Callable[[], T], deadline: Deadline) -> T:
        """Return what ``call`` returns; raise ``ClientError`` for an answer that no repeat would change."""
        if deadline.remaining < self._max_attempt:
            raise LedgerUnavailableError
        try:
            result: T = deadline.retrying(_is_retryable, self._max_attempt)(
                lambda: deadline.within(self._max_attempt).run(function)
            )
        except (BotoCoreError, TimeoutError, _UnprocessedKeysError) as error:
            raise LedgerUnavailableError from error
        return result


def stream_images(record: Mapping[str, Any]) -> tuple[Item, Item]:
    """Return an item before and after a change, from a record of the table's stream as Lambda brings it.

    One that did not or does not exist is an empty one.
    """
    change = record["dynamodb"]
    return _from_wire_item(change.get("OldImage") or {}), _from_wire_item(change.get("NewImage") or {})


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, _UnprocessedKeysError | TimeoutError) or is_retryable(error)


def _wire_key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _from_wire_item(item: Mapping[str, Any]) -> Item:
    return {name: _from_wire(value) for name, value in item.items()}
