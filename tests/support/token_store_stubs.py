"""What processes share to have one access token: leases, a store, the token address. Threads may use it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

from botocore.exceptions import ClientError
from urllib3 import HTTPResponse, PoolManager

from paynearme.client.access_token_cache import AccessTokens
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.platform.settings import Settings

NOT_FOUND: Any = {"Error": {"Code": "ParameterNotFound"}, "ResponseMetadata": {"HTTPStatusCode": 400}}


class LeaseTableStub:
    """Takes the place of the table."""

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
    """Takes the place of SSM; ``reads`` counts how often it was asked."""

    def __init__(self) -> None:
        self.reads = 0
        self._values: dict[str, str] = {}
        self._lock = Lock()

    def get_parameter(self, **parameters: Any) -> dict[str, dict[str, str]]:
        with self._lock:
            self.reads += 1
            if parameters["Name"] not in self._values:
                raise ClientError(NOT_FOUND, "GetParameter")
            return {"Parameter": {"Value": self._values[parameters["Name"]]}}

    def put_parameter(self, **parameters: Any) -> None:
        with self._lock:
            self._values[parameters["Name"]] = parameters["Value"]


class TokenEndpointStub:
    """Gives ``token-1``, ``token-2`` and so on; ``asked`` counts."""

    def __init__(self) -> None:
        self.request_count = 0
        self._lock = Lock()

    def request(self, *_: object, body: Iterable[bytes], **__: object) -> HTTPResponse:
        b"".join(body)
        with self._lock:
            self.request_count += 1
            content = {"access_token": f"token-{self.request_count}", "token_type": "Bearer", "expires_in": 3600}
        return HTTPResponse(body=json.dumps(content).encode(), status=200)


@dataclass
class SharedTokenState:
    """All of it. ``clock`` gives Unix seconds."""

    clock: Callable[[], float]
    leases: LeaseTableStub = field(default_factory=LeaseTableStub)
    store: ParameterStoreStub = field(default_factory=ParameterStoreStub)
    endpoint: TokenEndpointStub = field(default_factory=TokenEndpointStub)

    def start(self) -> AccessTokens:
        """Start a process."""
        return AccessTokens(
            Settings(sites_secret="", access_tokens_path="/tokens"),
            cast(Table, self.leases),
            cast(Any, self.store),
            cast(PoolManager, self.endpoint),
            self.clock,
        )
