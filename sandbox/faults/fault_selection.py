"""Which fault strikes a request on its way to AWS."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.faults.aws_services import Service, service_of
from sandbox.faults.partial_put_events import PUT_EVENTS


class Fault(BaseModel):
    """How a service fails.

    ``abort`` closes the connection without a word; ``throttle`` and ``error500`` give the service's own
    error; ``hang`` never answers; ``slow`` forwards at once and holds the answer back for ``seconds``;
    ``lost`` forwards and closes the connection instead of answering; ``partial``, which is EventBridge's
    alone, forwards every second entry and answers that the others failed; ``none`` is well again. Of
    these only ``slow`` and ``lost`` let the request happen, and ``partial`` a part of it.

    It strikes requests for ``operations`` only (``UpdateItem``), None for all, and only those whose body
    holds the text ``about``, None for all; of these each ``every``-th; and no more than ``times``, None for
    all. Where a service has faults about different texts, the first that was set and still strikes does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Service
    mode: Literal["none", "abort", "throttle", "error500", "hang", "slow", "lost", "partial"]
    seconds: float = Field(default=30, ge=0)
    operations: frozenset[str] | None = Field(default=None, min_length=1)
    body_contains: str | None = Field(default=None, min_length=1)
    every: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_be_partial(self) -> "Fault":
        if self.mode == "partial" and (self.service != "events" or self.operations):
            raise ValueError("partial is for events, and for PutEvents alone")
        return self

    def matches(self, operation: str, body: bytes) -> bool:
        """Return whether it strikes requests for ``operation`` (as in ``X-Amz-Target``) with ``body``."""
        if self.service != service_of(operation) or (self.body_contains and self.body_contains.encode() not in body):
            return False
        if self.mode == "partial":
            return operation == PUT_EVENTS
        return self.operations is None or operation.partition(".")[2] in self.operations


@dataclass
class _ActiveFault:
    """A fault, how many requests it meant since it was set, and how many it struck."""

    fault: Fault
    matched: int = 0
    injected: int = 0


class Faults:
    """The faults in force: for each service one about everything, and one about each text."""

    def __init__(self) -> None:
        """Begin with none."""
        self._active: dict[tuple[Service, str | None], _ActiveFault] = {}

    def put(self, fault: Fault) -> None:
        """Replace the service's fault about the same text; it counts from the beginning."""
        self._active.pop((fault.service, fault.body_contains), None)
        if fault.mode != "none":
            self._active[fault.service, fault.body_contains] = _ActiveFault(fault)

    def clear(self) -> None:
        """Take all away."""
        self._active.clear()

    def next_fault(self, operation: str, body: bytes) -> Fault | None:
        """Return the fault that strikes this request, and count it against the fault's ``times``."""
        for active in self._active.values():
            fault = active.fault
            if not fault.matches(operation, body):
                continue
            active.matched += 1
            exhausted = fault.times is not None and active.injected >= fault.times
            if not exhausted and not active.matched % fault.every:
                active.injected += 1
                return fault
        return None

    def injection_counts(self) -> dict[str, dict[str, int]]:
        """Return how often each struck, by service and by text (empty without one)."""
        counts: dict[str, dict[str, int]] = {}
        for (service, body_contains), active in self._active.items():
            counts.setdefault(service, {})[body_contains or ""] = active.injected
        return counts
