"""Clients that send each request to a store or a service, with faults and with pauses for other invocations."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import (
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    RequestRejectedError,
)
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.sites.site import ResolvedSite
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.store import Store, client_error

type Apply = Callable[[], dict[str, Any]]

_MAX_TRANSIT_SECONDS = 300
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

        def log(result: str) -> None:
            self.log(f"    {task.name}: {name}: {result}")

        scheduler, task = self.scheduler, self.scheduler.current
        if task is None:
            raise AssertionError("no task runs")
        sent_at = scheduler.now
        scheduler.pause(self.random.uniform(0.001, 0.02))
        if scheduler.now - sent_at > _MAX_TRANSIT_SECONDS:
            log("expired")
            raise ReadTimeoutError(endpoint_url="simulated")
        if self.occurs(0.04):
            log("throttled")
            raise client_error(self.random.choice(_THROTTLED))
        if conflict and self.occurs(0.05):
            log("conflict")
            raise conflict
        if conflict and self.occurs(0.02):
            log("delayed")
            self.late_writes.append((task, apply))
            self._time_out()
        if self.occurs(0.05):
            log("lost response")
            apply()
            self._time_out()
        log("applied")
        response = apply()
        # The process can end before it receives the response.
        if self.occurs(0.1):
            scheduler.pause(self.random.uniform(0.001, 0.02))
        return response

    def deliver_late(self) -> Task:
        """Apply a write that timed out earlier. Return its task."""
        task, apply = self.late_writes.pop(self.random.randrange(len(self.late_writes)))
        self.scheduler.current = task
        try:
            apply()
        except Exception as error:
            if not hasattr(error, "response"):
                raise
        finally:
            self.scheduler.current = None
        return task

    def _time_out(self) -> None:
        self.scheduler.pause(MAX_ATTEMPT_SECONDS)
        raise ReadTimeoutError(endpoint_url="simulated")


@dataclass(frozen=True)
class TableClient:
    """The client of ``Table``."""

    store: Store
    faults: Faults

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Read the items, sometimes in two parts with another request between them."""
        [(table_name, details)] = request["RequestItems"].items()
        keys, random = details["Keys"], self.faults.random
        if self.faults.occurs(0.03):
            return {"Responses": {table_name: []}, "UnprocessedKeys": request["RequestItems"]}

        def apply() -> dict[str, Any]:
            parts = [keys]
            if len(keys) > 1 and self.faults.occurs(0.3):
                size = random.randrange(1, len(keys))
                parts = [keys[:size], keys[size:]]
            found = []
            for index, part in enumerate(parts):
                if index:
                    self.faults.scheduler.pause(0.001)
                self._observe()
                response = self.store.batch_get_item(RequestItems={table_name: details | {"Keys": part}})
                found += response["Responses"][table_name]
            return {"Responses": {table_name: found}, "UnprocessedKeys": {}}

        return self.faults.send("batch_get_item", apply)

    def query(self, **request: Any) -> dict[str, Any]:
        # A sweep reads 32 partitions, most of which are empty.
        response = self.store.query(**request)
        if not response["Items"] and self.faults.random.random() < 0.9:
            return response
        return self.faults.send("query", lambda: self.store.query(**request))

    def update_item(self, **request: Any) -> dict[str, Any]:
        conflict = client_error("TransactionConflictException")
        return self.faults.send("update_item", lambda: self._write(self.store.update_item, request), conflict)

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        reasons = [{"Code": "None"} for _ in request["TransactItems"]]
        self.faults.random.choice(reasons)["Code"] = "TransactionConflict"
        conflict = client_error("TransactionCanceledException", CancellationReasons=reasons)
        return self.faults.send("transact_write_items", lambda: self._write(self.store.transact_write_items, request), conflict)

    def _write(self, operation: Callable[..., dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
        self._observe()
        return operation(**request)

    def _observe(self) -> None:
        if self.faults.scheduler.current:
            self.faults.scheduler.current.observe()


@dataclass(frozen=True)
class EventBridgeClient:
    """The client of ``EventBus``. ``receive`` receives each accepted entry with its parsed ``Detail``."""

    faults: Faults
    receive: Callable[[str, Mapping[str, Any]], None]

    def put_events(self, *, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        def apply() -> dict[str, Any]:
            results: list[dict[str, str]] = []
            for entry in Entries:
                if self.faults.occurs(0.1):
                    results.append({"ErrorCode": "ThrottlingException"})
                    continue
                self.receive(entry["DetailType"], json.loads(entry["Detail"]))
                results.append({"EventId": "1"})
            return {"Entries": results}

        return self.faults.send("put_events", apply)


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
        if faults.occurs(0.05):
            raise PaymentOutcomeUnknownError(site_payment_identifier)
        identifier = self._accept(request, site_payment_identifier)
        faults.scheduler.pause(faults.random.uniform(0.01, 0.5))
        if faults.occurs(0.15):
            raise PaymentOutcomeUnknownError(site_payment_identifier)
        return identifier
