"""Conditional writes to the DynamoDB table: each either happens or returns the item that stood against it."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from paynearme.aws import CLIENT_CONFIG, LONGEST_ATTEMPT_SECONDS, is_transient
from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]
"""An item's attributes as Python values: text, ``Decimal``, ``bool`` and sets of text."""

_to_wire = TypeSerializer().serialize
_from_wire = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Update:
    """A change of one item, which is made if it does not exist.

    ``values`` replaces attributes (None leaves one as it is), ``amounts`` adds to numbers, ``marks``
    adds to sets of text, and all of it happens only if ``condition``, a condition expression over
    ``condition_values``, holds.
    """

    pk: str
    sk: str
    values: Mapping[str, Any] = field(default_factory=dict)
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    marks: Mapping[str, Iterable[str]] = field(default_factory=dict)
    condition: str = ""
    condition_values: Mapping[str, Any] = field(default_factory=dict)

    def to_request(self, table_name: str) -> dict[str, Any]:
        """Return the change in the terms of ``UpdateItem`` and of a transaction's ``Update``."""
        replaced = {name: value for name, value in self.values.items() if value is not None}
        added = {**self.amounts, **{name: set(marks) for name, marks in self.marks.items() if marks}}
        names = {name: f"#{name}" for name in (*replaced, *added)}
        sets = ", ".join(f"#{name} = :{name}" for name in replaced)
        adds = ", ".join(f"#{name} :{name}" for name in added)
        values = {f":{name}": value for name, value in {**replaced, **added, **self.condition_values}.items()}
        request: dict[str, Any] = {
            "TableName": table_name,
            "Key": {"pk": {"S": self.pk}, "sk": {"S": self.sk}},
            "UpdateExpression": " ".join(
                part for part in (sets and f"SET {sets}", adds and f"ADD {adds}") if part
            ),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in names.items()},
            "ExpressionAttributeValues": {name: _to_wire(value) for name, value in values.items()},
        }
        if self.condition:
            request["ConditionExpression"] = self.condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request


class Table:
    """The table's only user.

    Every write is tried again after a conflict, throttling or a lost answer for as long as the deadline
    allows, and is safe to repeat. Each raises ``LedgerUnavailableError`` if it could not be finished.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        """Take the table's name; connect to nothing yet."""
        self._name = name
        self._client = client or boto3.client("dynamodb", config=CLIENT_CONFIG)

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        """Make one change. Return None if it was made, else the item that its condition refused."""
        request = update.to_request(self._name)
        return self._attempt(lambda: self._client.update_item(**request), deadline)

    def transact(self, updates: Iterable[Update], deadline: Deadline) -> Item | None:
        """Make all changes or none. Return None if they were made, else the item that refused.

        A lost answer does no harm: the repeat carries the same token, and the service knows it.
        """
        items: Any = [{"Update": update.to_request(self._name)} for update in updates]
        token = str(uuid.uuid4())
        return self._attempt(
            lambda: self._client.transact_write_items(TransactItems=items, ClientRequestToken=token), deadline
        )

    def _attempt(self, call: Callable[[], object], deadline: Deadline) -> Item | None:
        if deadline.remaining < LONGEST_ATTEMPT_SECONDS:
            raise LedgerUnavailableError
        try:
            deadline.retrying(is_transient, LONGEST_ATTEMPT_SECONDS)(deadline.bound, call)
        except ClientError as error:
            refused = _refused_item(error)
            if refused is None:
                raise LedgerUnavailableError from error
            return refused
        except (BotoCoreError, TimeoutError) as error:
            raise LedgerUnavailableError from error
        return None


def _refused_item(error: ClientError) -> Item | None:
    """Return the item whose condition failed, or None when the error is another one."""
    answer: Mapping[str, Any] = error.response
    if answer["Error"]["Code"] == "ConditionalCheckFailedException":
        wire = answer.get("Item")
    else:
        reasons = answer.get("CancellationReasons", [])
        wire = next((r.get("Item") for r in reasons if r.get("Code") == "ConditionalCheckFailed"), None)
    return None if wire is None else {name: _from_wire(value) for name, value in wire.items()}
