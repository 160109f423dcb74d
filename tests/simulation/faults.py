"""Clients that send each request to a store or a service, with faults and with pauses for other invocations."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import PaymentOutcomeUnknownError, RequestNotAcceptedError, RequestRejectedError
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.sites.site import ResolvedSite
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.store import Store, client_error

type Apply = Callable[[], dict[str, Any]]

FAULTS = ("throttled", "conflict", "lost request", "lost response", "late write", "held response", "partial", "split")
"""``held response``: the invocation can end between the effect and the response. ``partial``: the service processes a
part of the request. ``split``: a read has two parts, and other requests have their effect between them."""
MAX_TRANSIT_SECONDS = 300
"""AWS rejects a request with an older signature."""
_THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError")


@dataclass
class Faults:
    """Send requests with the fault of the running task. ``late_writes`` arrive after their timeout."""

    scheduler: Scheduler
    random: Random
    log: Callable[[str], None]
    late_writes: list[tuple[Task, Apply]] = field(default_factory=list)
    failure: AssertionError | None = None
    """The first violated invariant. The layer can catch it."""

    def pause(self, seconds: float) -> str:
        """Let other tasks run. Return the fault of the request that follows, and clear it."""
        task = self.scheduler.running()
        self.scheduler.pause(seconds)
        fault, task.fault = task.fault, ""
        task.is_disturbed |= bool(fault)
        return fault

    def send(self, name: str, apply: Callable[[str], dict[str, Any]], conflict: Exception | None = None) -> Any:
        """Return the response of a request, or raise the error of a fault. ``conflict`` is the error of a write."""
        task, sent_at = self.scheduler.running(), self.scheduler.now
        fault = self.pause(self.random.uniform(0.001, 0.02))
        if self.scheduler.now - sent_at > MAX_TRANSIT_SECONDS:
            fault = "lost request"
        self.log(f"    {task.name}: {name}{f', {fault}' if fault else ''}")
        if fault == "throttled":
            raise client_error(self.random.choice(_THROTTLED))
        if fault == "conflict" and conflict:
            raise conflict
        if fault == "late write" and conflict:
            self.late_writes.append((task, lambda: apply("")))
        elif fault != "lost request":
            response = self.guard(apply, fault)
            if fault == "held response":
                self.scheduler.pause(0.001)
            if fault != "lost response":
                return response
        self.scheduler.pause(MAX_ATTEMPT_SECONDS)
        raise ReadTimeoutError(endpoint_url="simulated")

    def apply_late(self, task: Task, apply: Apply) -> None:
        """Apply a write that timed out earlier."""
        self.scheduler.current = task
        with suppress(ClientError, AssertionError):
            self.guard(apply)
        self.scheduler.current = None

    def guard[**P, R](self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call ``function`` after the task's ``observe``, and store a violated invariant."""
        try:
            self.scheduler.running().observe()
            return function(*arguments, **keywords)
        except ClientError:
            raise
        except Exception as error:
            # The layer can convert an error of the model to one of its own.
            violation = error if isinstance(error, AssertionError) else AssertionError(repr(error))
            self.failure = self.failure or violation
            raise


@dataclass(frozen=True)
class TableClient:
    """The client of ``Table``."""

    store: Store
    faults: Faults

    def batch_get_item(self, **request: Any) -> Any:
        [(table_name, details)] = request["RequestItems"].items()
        keys = details["Keys"]

        def apply(fault: str) -> Any:
            if fault == "partial":
                return {"Responses": {table_name: []}, "UnprocessedKeys": request["RequestItems"]}
            if fault != "split" or len(keys) < 2:
                return self.store.batch_get_item(**request)
            size = self.faults.random.randrange(1, len(keys))
            first, second = ({table_name: details | {"Keys": part}} for part in (keys[:size], keys[size:]))
            response = self.store.batch_get_item(RequestItems=first)
            self.faults.scheduler.pause(0.001)
            rest = self.faults.guard(self.store.batch_get_item, RequestItems=second)
            response["Responses"][table_name] += rest["Responses"][table_name]
            return response

        return self.faults.send("read", apply)

    def query(self, **request: Any) -> Any:
        # A sweep reads 32 partitions, most of which are empty.
        response = self.store.query(**request)
        return self.faults.send("query", lambda _: self.store.query(**request)) if response["Items"] else response

    def update_item(self, **request: Any) -> Any:
        conflict = client_error("TransactionConflictException")
        return self.faults.send("update", lambda _: self.store.update_item(**request), conflict)

    def transact_write_items(self, **request: Any) -> Any:
        reasons = [{"Code": "None"} for _ in request["TransactItems"]]
        self.faults.random.choice(reasons)["Code"] = "TransactionConflict"
        conflict = client_error("TransactionCanceledException", CancellationReasons=reasons)
        return self.faults.send("transact", lambda _: self.store.transact_write_items(**request), conflict)


@dataclass(frozen=True)
class EventBridgeClient:
    """The client of ``EventBus``. ``receive`` receives each accepted entry with its parsed ``Detail``."""

    faults: Faults
    receive: Callable[[str, Mapping[str, Any]], None]

    def put_events(self, *, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803 # boto3's name
        def put(entry: Mapping[str, Any], is_rejected: bool) -> dict[str, str]:
            if is_rejected:
                return {"ErrorCode": "ThrottlingException"}
            self.receive(entry["DetailType"], json.loads(entry["Detail"]))
            return {"EventId": "1"}

        def apply(fault: str) -> dict[str, Any]:
            return {
                "Entries": [put(entry, fault == "partial" and index % 2 == 0) for index, entry in enumerate(Entries)]
            }

        return self.faults.send("put_events", apply)


class FakePayNearMe(PayNearMeClient):
    """Accept, reject or lose payments. ``accept`` receives each accepted payment and returns its identifier."""

    def __init__(self, faults: Faults, accept: Callable[[MakePaymentRequest, str], str]) -> None:
        self._faults = faults
        self._accept = accept

    def make_payment(
        self, site: ResolvedSite, request: MakePaymentRequest, site_payment_identifier: str, deadline: Deadline
    ) -> str | None:
        fault = self._faults.pause(0.2)
        if fault == "throttled":
            raise RequestNotAcceptedError("429")
        if fault == "conflict":
            raise RequestRejectedError("6500", ["rejected"])
        is_lost = fault == "lost request"
        identifier = None if is_lost else self._faults.guard(self._accept, request, site_payment_identifier)
        self._faults.scheduler.pause(0.2)
        if fault in ("lost request", "lost response"):
            raise PaymentOutcomeUnknownError(site_payment_identifier)
        return identifier
