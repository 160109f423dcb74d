"""Thread-safe stubs of the stores that processes share to use one access token."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Update

_NOT_FOUND: Any = {"Error": {"Code": "ParameterNotFound"}, "ResponseMetadata": {"HTTPStatusCode": 400}}


class LeaseTableStub:
    """Replace ``Table``."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lock = Lock()

    def update(self, update: Update, _: Deadline) -> Item | None:
        with self._lock:
            item = self._items.setdefault(update.pk, {})
            if not self._condition_holds(item, update.condition_values):
                return dict(item)
            item |= update.sets
            for name in update.removes:
                item.pop(name, None)
            return None

    @staticmethod
    def _condition_holds(item: Item, expected: Mapping[str, Any]) -> bool:
        if "lease_owner" in expected:
            return bool(item.get("lease_owner") == expected["lease_owner"])
        return "lease_expires_at" not in item or bool(item["lease_expires_at"] < expected["now"])


class ParameterStoreStub:
    """Replace the SSM client. ``reads`` counts the reads."""

    def __init__(self) -> None:
        self.reads = 0
        self._values: dict[str, str] = {}
        self._lock = Lock()

    def get_parameter(self, **parameters: Any) -> dict[str, dict[str, str]]:
        with self._lock:
            self.reads += 1
            if parameters["Name"] not in self._values:
                raise ClientError(_NOT_FOUND, "GetParameter")
            return {"Parameter": {"Value": self._values[parameters["Name"]]}}

    def put_parameter(self, **parameters: Any) -> None:
        with self._lock:
            self._values[parameters["Name"]] = parameters["Value"]
