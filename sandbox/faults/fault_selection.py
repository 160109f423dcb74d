"""Select the fault for a request to AWS."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.faults.aws_services import Service, service_of
from sandbox.faults.partial_put_events import PUT_EVENTS


class Fault(BaseModel):
    """A fault of a service.

    The modes:

    - ``abort``: close the connection without a response
    - ``throttle``, ``error500``: return the service's error
    - ``hang``: send no response
    - ``slow``: forward the request, and delay the response by ``seconds``
    - ``lost``: forward the request, and close the connection without a response
    - ``partial`` (EventBridge only): forward every second entry, and return an error for the others
    - ``none``: remove the fault

    The fault applies to requests for ``operations`` (such as ``UpdateItem``) with the text ``body_contains``. None
    selects all. Of these requests it applies to every n-th (``every``), and at most ``times`` times. If a service has
    faults with different texts, the first fault that applies is injected.
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
            raise ValueError("partial requires the service events, without operations")
        return self

    def matches(self, operation: str, body: bytes) -> bool:
        """Return whether the fault applies to ``operation`` (as in ``X-Amz-Target``) with ``body``."""
        if self.service != service_of(operation) or (self.body_contains and self.body_contains.encode() not in body):
            return False
        if self.mode == "partial":
            return operation == PUT_EVENTS
        return self.operations is None or operation.partition(".")[2] in self.operations


@dataclass
class _ActiveFault:
    """A fault, the number of matching requests since its start, and the number of injections."""

    fault: Fault
    matched: int = 0
    injected: int = 0


class Faults:
    """The active faults: at most one for each combination of service and ``body_contains``."""

    def __init__(self) -> None:
        """Start without faults."""
        self._active: dict[tuple[Service, str | None], _ActiveFault] = {}

    def put(self, fault: Fault) -> None:
        """Replace the fault with the same service and text. The new fault counts from zero."""
        self._active.pop((fault.service, fault.body_contains), None)
        if fault.mode != "none":
            self._active[fault.service, fault.body_contains] = _ActiveFault(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._active.clear()

    def next_fault(self, operation: str, body: bytes) -> Fault | None:
        """Return the fault for a request, and count the injection for ``times``."""
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
        """Return the number of injections by service and text (an empty text without one)."""
        counts: dict[str, dict[str, int]] = {}
        for (service, body_contains), active in self._active.items():
            counts.setdefault(service, {})[body_contains or ""] = active.injected
        return counts
