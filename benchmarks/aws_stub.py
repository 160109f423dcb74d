"""Answer AWS requests without a network, and count them.

The answers are injected at botocore's event ``before-send``. The cost of the request's construction and of the
response's parsing remains, but not that of the connection.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse

from benchmarks.peers.message import SECRET
from sandbox.stack.policy import local_policy
from sandbox.stack.sites import GAMING_SITE

SITE = "S2155373459"
"""A site with the defaults of ``policy.json``."""

_ASSIGNMENT = re.compile(r"(#\w+) = (:\w+)")


class _Body:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, *_: object) -> bytes:
        content, self._content = self._content, b""
        return content

    def stream(self, **_: object) -> list[bytes]:
        return [self.read()]


@dataclass
class AwsStub:
    """AWS with two sites, the policy of the local stack and an empty table."""

    stored_items: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The items of the table by partition key, in DynamoDB's format."""
    requests: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)
    """The DynamoDB requests: operation, parameters and bytes of the body."""
    conflicts: bool = False
    """Whether transactions fail, because the stored items do not match their conditions."""

    @property
    def answer(self) -> Any:
        """Return the handler of the event ``before-send``. The stubs of botocore's types do not know its result."""
        return self.respond

    def respond(self, request: Any, **_: object) -> AWSResponse:
        """Return the response to a request (botocore's ``before-send``)."""
        target = request.headers.get("X-Amz-Target", b"")
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        if operation == "GetSecretValue":
            return self._secret(request)
        if "configuration" in request.url:
            return self._policy(request)
        parameters = json.loads(request.body)
        self.requests.append((operation, parameters, len(request.body)))
        if operation == "BatchGetItem":
            [(table, wanted)] = parameters["RequestItems"].items()
            keys = [key["pk"]["S"] for key in wanted["Keys"]]
            items = [self.stored_items[key] for key in keys if key in self.stored_items]
            return _response(request, {"Responses": {table: items}, "UnprocessedKeys": {}})
        if operation == "TransactWriteItems" and self.conflicts:
            updates = [next(iter(item.values())) for item in parameters["TransactItems"]]
            stored = [self.stored_items.get(update["Key"]["pk"]["S"]) for update in updates]
            reasons = [
                {"Code": "ConditionalCheckFailed", "Item": item or {}}
                if "ConditionExpression" in update
                else {"Code": "None"}
                for update, item in zip(updates, stored, strict=True)
            ]
            error = {"__type": "TransactionCanceledException", "CancellationReasons": reasons}
            return _response(request, error, status=400)
        return _response(request, {})

    def put_merchant_data(self, site: str, message: Mapping[str, Any]) -> None:
        """Store an active customer and an open order, which the policy of a gaming operator requires."""
        account = f"CUSTOMER#{site}#{message['site_customer_identifier']}"
        order = f"ORDER#{site}#{message['pnm_order_identifier']}"
        self.stored_items[account] = {"pk": {"S": account}, "sk": {"S": "ACCOUNT"}, "status": {"S": "active"}}
        self.stored_items[order] = {"pk": {"S": order}, "sk": {"S": "ORDER"}, "status": {"S": "open"}}
        self.stored_items[order]["order_type"] = {"S": "any"}

    def store_writes(self) -> None:
        """Store what the recorded transactions set. Their increments are left out."""
        for operation, parameters, _ in self.requests:
            if operation == "TransactWriteItems":
                for update in (item["Update"] for item in parameters["TransactItems"]):
                    names, values = update["ExpressionAttributeNames"], update["ExpressionAttributeValues"]
                    pairs = _ASSIGNMENT.findall(update["UpdateExpression"])
                    item = {names[name]: values[value] for name, value in pairs}
                    stored = self.stored_items.setdefault(update["Key"]["pk"]["S"], dict(update["Key"]))
                    stored.update(item)

    def _secret(self, request: Any) -> AWSResponse:
        if b"AWSPREVIOUS" in request.body:
            return _response(request, {"__type": "ResourceNotFoundException"}, status=400)
        sites = {site: {"version": "3.0", "secret": SECRET} for site in (SITE, GAMING_SITE)}
        return _response(request, {"Name": "sites", "SecretString": json.dumps({"sites": sites})})

    def _policy(self, request: Any) -> AWSResponse:
        if "configurationsessions" in request.url:
            return _response(request, {"InitialConfigurationToken": "token"})
        headers: Any = {"Next-Poll-Configuration-Token": "token", "Content-Type": "application/json"}
        return AWSResponse(request.url, 200, headers, _Body(local_policy().encode()))


def _response(request: Any, content: Mapping[str, Any], status: int = 200) -> AWSResponse:
    headers: Any = {"x-amzn-requestid": "benchmark", "content-type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, headers, _Body(json.dumps(content).encode()))
