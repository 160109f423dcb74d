"""List, replay and discard quarantined callbacks."""

from dataclasses import dataclass
from datetime import datetime

from paynearme.ledger.quarantine import UNRESOLVED
from paynearme.ledger.quarantine_items import (
    QuarantinedCallback,
    Resolution,
    get_quarantined,
    list_unresolved,
    resolve,
)
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.observability import add_log_fields, add_metric, record_result
from paynearme.policy_provider import PolicyProvider
from paynearme.quarantine.operator_request import (
    DiscardRequest,
    ListedCallback,
    ListRequest,
    ListResponse,
    OperatorRequest,
    ReplayRequest,
    ResolutionResponse,
    ResolutionStatus,
)
from paynearme.quarantine.replay import ReplayRejectedError, process, read_quarantined


@dataclass(frozen=True)
class Quarantine:
    """The quarantine of a deployment, for its operators. ``function_version`` is recorded with each resolution."""

    table: Table
    policies: PolicyProvider
    function_version: str

    def handle(self, request: OperatorRequest, now: datetime, deadline: Deadline) -> ListResponse | ResolutionResponse:
        """Return the response to a request. Raises ``LedgerUnavailableError``.

        Costs 2 requests for a discard, and 2 and those of the ledger for a replay.
        """
        if isinstance(request, ListRequest):
            callbacks = list_unresolved(self.table, deadline)
            return ListResponse(callbacks=[ListedCallback.model_validate(callback) for callback in callbacks])
        add_log_fields(quarantine_action=request.action, quarantine_identifier=request.identifier)
        callback = get_quarantined(self.table, request.identifier, deadline)
        status, detail = ResolutionStatus.NOT_FOUND, ""
        if callback is not None and callback.resolution != UNRESOLVED:
            status = ResolutionStatus.ALREADY_RESOLVED
        elif callback is not None and isinstance(request, DiscardRequest):
            status, detail = self._discard(callback, request, now, deadline)
        elif callback is not None and isinstance(request, ReplayRequest):
            status, detail = self._replay(callback, request, now, deadline)
        add_log_fields(quarantine_status=str(status))
        return ResolutionResponse(identifier=request.identifier, status=status, detail=detail)

    def _discard(
        self, callback: QuarantinedCallback, request: DiscardRequest, now: datetime, deadline: Deadline
    ) -> tuple[ResolutionStatus, str]:
        resolution = Resolution("discarded", request.operator, request.why, self.function_version)
        if not resolve(self.table, callback, resolution, now, deadline):
            return ResolutionStatus.ALREADY_RESOLVED, ""
        add_metric("QuarantineDiscarded")
        return ResolutionStatus.DISCARDED, ""

    def _replay(
        self, callback: QuarantinedCallback, request: ReplayRequest, now: datetime, deadline: Deadline
    ) -> tuple[ResolutionStatus, str]:
        """Process the callback first. If the resolution fails afterwards, the next replay is a duplicate."""
        try:
            message = read_quarantined(callback, request.parameters)
        except ReplayRejectedError as error:
            return ResolutionStatus.REJECTED, str(error)
        if request.dry_run:
            return ResolutionStatus.REPLAY_POSSIBLE, f"as a {message.callback_kind}"
        result = process(self.table, self.policies, message, now, deadline)
        record_result(result)
        effect = "duplicate" if result.is_duplicate else "processed"
        if result.anomalies:
            effect += f", anomalies: {', '.join(sorted(result.anomalies))}"
        resolution = Resolution(
            "replayed", request.operator, request.why, self.function_version, request.parameters, effect
        )
        if not resolve(self.table, callback, resolution, now, deadline):
            return ResolutionStatus.ALREADY_RESOLVED, effect
        add_metric("QuarantineReplayed")
        return ResolutionStatus.REPLAYED, effect
