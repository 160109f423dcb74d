"""The client of the function that lists, replays and discards quarantined callbacks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError
from paynearme.quarantine.operator_request import (
    DiscardRequest,
    ListedCallback,
    ListRequest,
    ListResponse,
    OperatorRequest,
    ReplayRequest,
    ResolutionResponse,
)


@dataclass(frozen=True)
class QuarantineClient:
    """The function of a stack that operators invoke, boto3's clients, and the operator's identity."""

    lambda_client: Any
    function_name: str
    operator: str

    def list(self) -> Sequence[ListedCallback]:
        """Return the unresolved callbacks. Raises ``OperationError`` and botocore's errors."""
        return ListResponse.model_validate(self._invoke(ListRequest())).callbacks

    def replay(self, identifier: str, why: str, parameters: dict[str, str], *, dry_run: bool) -> ResolutionResponse:
        """Process a callback. Raises ``OperationError`` and botocore's errors."""
        request = ReplayRequest(
            identifier=identifier, operator=self.operator, why=why, parameters=parameters, dry_run=dry_run
        )
        return ResolutionResponse.model_validate(self._invoke(request))

    def discard(self, identifier: str, why: str) -> ResolutionResponse:
        """Resolve a callback without an effect. Raises ``OperationError`` and botocore's errors."""
        request = DiscardRequest(identifier=identifier, operator=self.operator, why=why)
        return ResolutionResponse.model_validate(self._invoke(request))

    def _invoke(self, request: OperatorRequest) -> Any:
        payload = request.model_dump_json().encode()
        response = self.lambda_client.invoke(FunctionName=self.function_name, Qualifier="live", Payload=payload)
        if "FunctionError" in response:
            raise OperationError(
                "the function failed. Its log shows the cause. Repeat the command: a replay posts once"
            )
        return json.loads(response["Payload"].read())
