"""Clients that send each request to a store or a service, with faults and with pauses for other invocations."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import PaymentOutcomeUnknownError, RequestNotAcceptedError, RequestRejectedError
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.sites.site import ResolvedSite
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.store import Store, client_error

type Apply = Callable[[], dict[str, Any]]

MAX_TRANSIT_SECONDS = 300
"""AWS rejects a request with an older signature."""
_THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError")


@dataclass
class Faults:
    """The probabilities of faults. ``late_writes`` are requests that arrive after their timeout."""

    scheduler: Scheduler
    random: Random
    log: Callable[[str], None]
    enabled: bool = True
    late_writes: list[tuple[Task, Apply]] = field(default_factory=list)

    def occurs(self, probability: float) -> bool:
        return self.enabled and self.random.random() < probability

    def send(self, name: str, apply: Apply, conflict: Exception | None = None) -> dict[str, Any]:
        """Return the response of a request, or raise the error of a fault. ``conflict`` is the error of a write."""
        task, sent_at = self.scheduler.running(), self.scheduler.now
        self._pause()
        fault = self._fault(conflict is not None)
        if self.scheduler.now - sent_at > MAX_TRANSIT_SECONDS:
            fault = "request lost"
        self.log(f"    {task.name}: {name}: {fault}")
        if fault == "throttled":
            raise client_error(self.random.choice(_THROTTLED))
        if fault == "conflict" and conflict:
            raise conflict
        if fault == "late":
            self.late_writes.append((task, apply))
        response = apply() if fault in ("response lost", "applied") else {}
        if fault != "applied":
            self.scheduler.pause(MAX_ATTEMPT_SECONDS)
            raise ReadTimeoutError(endpoint_url="simulated")
        # The process can end before it receives the response.
        if self.occurs(0.1):
            self._pause()
        return response

    def deliver_late(self) -> Task:
        """Apply a write that timed out earlier. Return its task."""
        task, apply = self.late_writes.pop(self.random.randrange(len(self.late_writes)))
        self.scheduler.current = task
        try:
            apply()
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
        finally:
            self.scheduler.current = None
        return task

    def _fault(self, is_write: bool) -> str:
        if not self.enabled:
            return "applied"
        faults = {"throttled": 0.04, "response lost": 0.05, "request lost": 0.02}
        faults |= {"conflict": 0.05, "late": 0.02} if is_write else {}
        names = ["applied", *faults]
        return self.random.choices(names, [1 - sum(faults.values()), *faults.values()])[0]

    def _pause(self) -> None:
        self.scheduler.pause(self.random.uniform(0.001, 0.02))


@dataclass(frozen=True)
class TableClient:
    """The client of ``Table``."""

    store: Store
    faults: Faults

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Read the items, sometimes in two parts with another request between them."""
        [(table_name, details)] = request["RequestItems"].items()
        keys = details["Keys"]
        if self.faults.occurs(0.03):
            return {"Responses": {table_name: []}, "UnprocessedKeys": request["RequestItems"]}

        def apply() -> dict[str, Any]:
            size = self.faults.random.randrange(1, len(keys)) if len(keys) > 1 and self.faults.occurs(0.3) else 0
            found = self._read(table_name, keys[:size])
            if size:
                self.faults.scheduler.pause(0.001)
            found += self._read(table_name, keys[size:])
            return {"Responses": {table_name: found}, "UnprocessedKeys": {}}

        return self.faults.send("read", apply)

    def query(self, **request: Any) -> dict[str, Any]:
        # A sweep reads 32 partitions, most of which are empty.
        if not self.store.query(**request)["Items"] and self.faults.random.random() < 0.9:
            return {"Items": []}
        return self.faults.send("query", lambda: self.store.query(**request))

    def update_item(self, **request: Any) -> dict[str, Any]:
        conflict = client_error("TransactionConflictException")
        return self.faults.send("update", lambda: self._apply(self.store.update_item, request), conflict)

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        reasons = [{"Code": "None"} for _ in request["TransactItems"]]
        self.faults.random.choice(reasons)["Code"] = "TransactionConflict"
        conflict = client_error("TransactionCanceledException", CancellationReasons=reasons)
        return self.faults.send("transact", lambda: self._apply(self.store.transact_write_items, request), conflict)

    def _read(self, table_name: str, keys: Sequence[Any]) -> list[Any]:
        if not keys:
            return []
        request = {"RequestItems": {table_name: {"Keys": keys, "ConsistentRead": True}}}
        found: list[Any] = self._apply(self.store.batch_get_item, request)["Responses"][table_name]
        return found

    def _apply(self, operation: Callable[..., dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
        self.faults.scheduler.running().observe()
        return operation(**request)


@dataclass(frozen=True)
class EventBridgeClient:
    """The client of ``EventBus``. ``receive`` receives each accepted entry with its parsed ``Detail``."""

    faults: Faults
    receive: Callable[[str, Mapping[str, Any]], None]

    def put_events(self, *, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        def put(entry: Mapping[str, Any]) -> dict[str, str]:
            if self.faults.occurs(0.1):
                return {"ErrorCode": "ThrottlingException"}
            self.receive(entry["DetailType"], json.loads(entry["Detail"]))
            return {"EventId": "1"}

        return self.faults.send("put_events", lambda: {"Entries": [put(entry) for entry in Entries]})


class FakePayNearMe(PayNearMeClient):
    """Accept, reject or lose payments. ``accept`` receives each accepted payment and returns its identifier."""

    def __init__(self, faults: Faults, accept: Callable[[MakePaymentRequest, str], str]) -> None:
        self._faults = faults
        self._accept = accept

    def make_payment(
        self, site: ResolvedSite, request: MakePaymentRequest, site_payment_identifier: str, deadline: Deadline
    ) -> str | None:
        faults = self._faults
        faults.scheduler.pause(faults.random.uniform(0.01, 0.5))
        if faults.occurs(0.15):
            raise RequestNotAcceptedError("429")
        if faults.occurs(0.05):
            raise RequestRejectedError("6500", ["rejected"])
        identifier = None if faults.occurs(0.05) else self._accept(request, site_payment_identifier)
        faults.scheduler.pause(faults.random.uniform(0.01, 0.5))
        if identifier is None or faults.occurs(0.15):
            raise PaymentOutcomeUnknownError(site_payment_identifier)
        return identifier
