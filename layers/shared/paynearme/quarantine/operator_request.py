"""The requests of an operator to the quarantine, and the responses, as JSON."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class ListRequest(BaseModel):
    """Return the unresolved callbacks."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    action: Literal["list"] = "list"


class ReplayRequest(BaseModel):
    """Process a callback like a new one. ``parameters`` replace stored ones. With ``dry_run``, nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    action: Literal["replay"] = "replay"
    identifier: Text
    operator: Text
    why: Text
    parameters: Mapping[str, str] = {}
    dry_run: bool = False


class DiscardRequest(BaseModel):
    """Resolve a callback without an effect on the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    action: Literal["discard"] = "discard"
    identifier: Text
    operator: Text
    why: Text


class ResolutionStatus(StrEnum):
    """The result of a replay or of a discard."""

    REPLAYED = "replayed"
    REPLAY_POSSIBLE = "replay_possible"
    DISCARDED = "discarded"
    NOT_FOUND = "not_found"
    ALREADY_RESOLVED = "already_resolved"
    REJECTED = "rejected"


class ResolutionResponse(BaseModel):
    """The result of a replay or of a discard. ``detail`` is the effect, or the reason of a rejection."""

    model_config = ConfigDict(frozen=True)

    identifier: str
    status: ResolutionStatus
    detail: str = ""


class ListedCallback(BaseModel):
    """An unresolved callback, with the parameters that the quarantine stores."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    identifier: str
    kind: str
    reason: str
    test: bool
    received_at: datetime
    received_count: int
    function_version: str
    parameters: Mapping[str, str]
    omitted_parameters: list[str]
    invalid_parameters: list[str]


class ListResponse(BaseModel):
    """The unresolved callbacks in order of their reception."""

    model_config = ConfigDict(frozen=True)

    callbacks: list[ListedCallback]


type OperatorRequest = ListRequest | ReplayRequest | DiscardRequest

OPERATOR_REQUEST: TypeAdapter[OperatorRequest] = TypeAdapter(ListRequest | ReplayRequest | DiscardRequest)
"""Parses the event of the function."""
