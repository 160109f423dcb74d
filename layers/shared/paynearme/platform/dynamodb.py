"""The DynamoDB table: consistent reads, and conditional writes that return the conflicting items."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from paynearme.errors import LedgerUnavailableError
from paynearme.platform.aws_clients import (
    client_config,
    create_client,
    is_retryable,
    needs_refresh,
    session_credentials,
)
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline, RetryableError
from paynearme.platform.item_encoding import from_wire_item, to_wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHORT_ATTEMPT_SECONDS = 1.0
"""The maximum duration of one attempt for a function that also calls PayNearMe."""

SHORT_ATTEMPT_THRESHOLD_SECONDS = SHORT_ATTEMPT_SECONDS + 0.2
"""The time that a call to PayNearMe must leave for one request to the table."""

SCHEMA_VERSION = 1
"""The schema number. Every item contains the number of the schema that created it."""

type Item = dict[str, Any]
"""The attributes of an item: text, ``Decimal``, ``bool``, lists, maps and sets of text."""

type Key = tuple[str, str]
"""The ``pk`` and ``sk`` of an item."""


class _UnprocessedKeysError(RetryableError):
    """DynamoDB was throttled and returned only a part of the requested items."""


@dataclass(frozen=True)
class Update:
    """A conditional change of one item. An item that does not exist is created.

    ``sets`` replaces attributes (``None`` leaves one unchanged), and ``removes`` deletes attributes. ``increments``
    adds to numbers, and ``set_additions`` adds to sets of text. A created item also gets the schema number.
    ``condition`` is a condition expression over ``condition_values``. If it does not hold, nothing changes.
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
        """Return the request of ``UpdateItem``, which is also the ``Update`` of a transaction."""
        names: dict[str, str] = {}
        values = {f":{name}": to_wire(value) for name, value in self.condition_values.items()}

        def place(attribute: str, value: Any) -> tuple[str, str]:
            # By index, because a placeholder allows fewer characters than an attribute name.
            index = len(names)
            names[f"#n{index}"] = attribute
            values[f":v{index}"] = to_wire(value)
            return f"#n{index}", f":v{index}"

        assignments = [
            " = ".join(place(attribute, value)) for attribute, value in self.sets.items() if value is not None
        ]
        version, number = place("schema_version", SCHEMA_VERSION)
        assignments.append(f"{version} = if_not_exists({version}, {number})")
        added = {**self.increments, **{name: set(members) for name, members in self.set_additions.items() if members}}
        additions = [" ".join(place(attribute, value)) for attribute, value in added.items()]
        removals = {f"#n{len(names) + index}": name for index, name in enumerate(sorted(self.removes))}
        names |= removals
        expression = f"SET {', '.join(assignments)}"
        if additions:
            expression += f" ADD {', '.join(additions)}"
        if removals:
            expression += f" REMOVE {', '.join(removals)}"
        request: dict[str, Any] = {
            "TableName": table_name,
            "Key": _wire_key((self.pk, self.sk)),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if self.condition:
            request["ConditionExpression"] = self.condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request


class Table:
    """The only access to the table.

    Every request is safe to repeat. It is retried after a conflict, throttling or a lost response while the
    deadline allows another attempt. An attempt runs in the thread of the caller, and the socket timeouts limit it (ADR
    13), unless it also refreshes the credentials. Every method raises ``LedgerUnavailableError`` if it cannot finish.
    """

    def __init__(
        self, name: str, client: "DynamoDBClient | None" = None, max_attempt: float = MAX_ATTEMPT_SECONDS
    ) -> None:
        """Use the table ``name``. Sends no request. The socket timeouts of an attempt are ``max_attempt`` seconds."""
        self._name = name
        self._max_attempt = max_attempt
        self._client: DynamoDBClient = client or create_client("dynamodb", _client_config(max_attempt))
        self._credentials = None if client else session_credentials()

    def read(self, keys: Sequence[Key], deadline: Deadline) -> list[Item]:
        """Return the items with ``keys``, at most 100 distinct ones, by a consistent read. A missing item is empty.

        Costs one request.
        """
        requested: Any = {self._name: {"Keys": [_wire_key(key) for key in keys], "ConsistentRead": True}}

        def send() -> Mapping[str, Any]:
            response = self._client.batch_get_item(RequestItems=requested)
            if response["UnprocessedKeys"]:
                raise _UnprocessedKeysError
            return response["Responses"]

        try:
            responses = self._send(send, deadline)
        except ClientError as error:
            raise LedgerUnavailableError from error
        items = [from_wire_item(item) for item in responses[self._name]]
        by_key = {(item["pk"], item["sk"]): item for item in items}
        return [by_key.get(key, {}) for key in keys]

    def query(
        self, index: str, names: tuple[str, str], partition: str, sort_key_range: tuple[str, str], deadline: Deadline
    ) -> Iterator[Item]:
        """Yield the items of an index partition in ascending order, within ``sort_key_range`` (inclusive).

        ``names`` are the key attributes of the index. An index is eventually consistent, so an item can be
        outdated. Costs one request for each 100 items.
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
                response = self._send(lambda: self._client.query(**request), deadline)
            except ClientError as error:
                raise LedgerUnavailableError from error
            yield from map(from_wire_item, response["Items"])
            if "LastEvaluatedKey" not in response:
                return
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        """Apply one update. Return ``None`` on success, or the conflicting item.

        The conflicting item is the current item with the failed condition, or empty if it does not exist. Costs one
        request.
        """
        request = update.to_request(self._name)
        try:
            self._send(lambda: self._client.update_item(**request), deadline)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise LedgerUnavailableError from error
            response: Mapping[str, Any] = error.response
            return from_wire_item(response.get("Item") or {})
        return None

    def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        """Apply all updates or none, in one transaction. Return ``None`` on success, or the conflicting items.

        The conflicting items are the current items with failed conditions, by index in ``updates``. An item that does
        not exist is empty. A retry after a lost response carries the same token, so DynamoDB applies the transaction
        once. Costs one request.
        """
        items: Any = [{"Update": update.to_request(self._name)} for update in updates]
        client_request_token = str(uuid.uuid4())

        def send() -> object:
            return self._client.transact_write_items(TransactItems=items, ClientRequestToken=client_request_token)

        try:
            self._send(send, deadline)
        except ClientError as error:
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
            conflicts = {
                index: from_wire_item(reason.get("Item") or {})
                for index, reason in enumerate(reasons)
                if reason.get("Code") == "ConditionalCheckFailed"
            }
            if not conflicts:
                raise LedgerUnavailableError from error
            return conflicts
        return None

    def _send[T](self, function: Callable[[], T], deadline: Deadline) -> T:
        """Return the result of ``function``. Raises ``ClientError`` for an error that a retry cannot resolve."""
        try:
            if needs_refresh(self._credentials):
                return deadline.call(function, is_retryable, self._max_attempt)
            if deadline.remaining < self._max_attempt:
                raise TimeoutError
            return deadline.retry(function, is_retryable, self._max_attempt)
        except (BotoCoreError, TimeoutError, RetryableError) as error:
            raise LedgerUnavailableError from error


def stream_images(record: Mapping[str, Any]) -> tuple[Item, Item]:
    """Return the old and the new image of a DynamoDB stream record. A missing image is empty."""
    change = record["dynamodb"]
    return from_wire_item(change.get("OldImage") or {}), from_wire_item(change.get("NewImage") or {})


def _client_config(max_attempt: float) -> Config:
    """Return the client's configuration, without the checks and the header that cost a third of a request's time.

    The tests validate the parameters of every request.
    """
    return client_config(max_attempt, parameter_validation=False, user_agent="paynearme-serverless")


def _wire_key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
