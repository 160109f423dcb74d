"""The functions of a test, and their responses, stored items, output and AWS calls."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree

import pytest
from boto3.dynamodb.types import TypeDeserializer

from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.settings import Settings
from tests.support.api_gateway_events import json_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

RESPONSE_TIMEOUT_SECONDS = Settings(sites_secret="").response_timeout_seconds

WINDOW_TOTAL = re.compile(r"(day|week|month)(_W?[0-9]+)+")
"""The names of the attributes with the total of a window."""

_from_wire = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    content_type: str
    body: str
    retry_after: str | None = None

    @classmethod
    def parse(cls, result: Mapping[str, Any]) -> Self:
        """Parse a function's response to API Gateway."""
        assert result["isBase64Encoded"] is False
        headers = result["headers"]
        return cls(result["statusCode"], headers["Content-Type"], result["body"], headers.get("Retry-After"))

    @property
    def content(self) -> dict[str, Any]:
        """The JSON body."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def fields(self) -> dict[str, str]:
        """The fields inside PayNearMe's envelope, in JSON or XML."""
        if self.content_type.startswith("application/xml"):
            element = ElementTree.fromstring(self.body)[0]  # noqa: S314 # our own response
            return {field.tag.partition("}")[2]: field.text or "" for field in element}
        [envelope] = self.content.values()
        [fields] = (element for name, element in envelope.items() if name != "version")
        return dict(fields)


@dataclass(frozen=True)
class LambdaFunction:
    """A function after a cold start. ``app`` is its module."""

    app: Any

    def __call__(
        self, parameters: Mapping[str, str], transport: Callable[[Mapping[str, str]], ProxyEvent] = json_event
    ) -> Response:
        """Send a callback."""
        return self.handle(transport(parameters))

    def handle(self, event: ProxyEvent) -> Response:
        """Invoke the function with an event of API Gateway."""
        return Response.parse(self.app.handler(event, None))


@dataclass(frozen=True)
class LedgerFixture:
    """The ledger's table."""

    client: "DynamoDBClient"
    table_name: str

    def all_items(self) -> list[dict[str, Any]]:
        """Return the items of all kinds."""
        items = self.client.scan(TableName=self.table_name)["Items"]
        return [{name: _from_wire(value) for name, value in item.items()} for item in items]

    def payments(self) -> list[dict[str, Any]]:
        """Return the items of all payments, including test payments."""
        return [item for item in self.all_items() if item["sk"] == "PAYMENT"]

    def payment(self) -> dict[str, Any]:
        """Return the item of the only payment."""
        [item] = self.payments()
        return item

    def quarantined(self) -> list[dict[str, Any]]:
        """Return the items of the quarantine."""
        return [item for item in self.all_items() if item["sk"] == "QUARANTINE"]

    def anomalies(self) -> set[str]:
        """Return the anomalies of the only payment."""
        return set(self.payment().get("anomalies", set()))

    def balances(self) -> dict[str, Decimal]:
        """Return the balances by customer."""
        accounts = [item for item in self.all_items() if item["sk"] == "ACCOUNT"]
        return {item["site_customer_identifier"]: item["balance"] for item in accounts}

    def spent_amounts(self) -> set[Decimal]:
        """Return the distinct amounts of all windows. One payment has one amount."""
        spending = [item for item in self.all_items() if item["sk"] == "SPENDING"]
        return {item[name] for item in spending for name in item if WINDOW_TOTAL.fullmatch(name)}


@dataclass(frozen=True)
class SitesSecret:
    """The secret with the sites and their keys."""

    client: "SecretsManagerClient"
    name: str

    def put(self, document: object) -> None:
        """Store ``document`` as the current version: text unchanged, all other values as JSON."""
        text = document if isinstance(document, str) else json.dumps(document)
        self.client.put_secret_value(SecretId=self.name, SecretString=text)

    def delete(self) -> None:
        """Delete the secret immediately."""
        self.client.delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)


@dataclass
class AwsCallRecorder:
    """Record the functions' AWS calls by operation name, and inject errors into later calls."""

    calls: list[str] = field(default_factory=list)
    request_errors: dict[str, Exception] = field(default_factory=dict)
    response_errors: dict[str, list[Exception | None]] = field(default_factory=dict)

    def on_request(self, *, model: Any, **_: Any) -> None:
        """Record a call. Raise its error of ``request_errors``, if any, so that it has no effect."""
        self.calls.append(model.name)
        if model.name in self.request_errors:
            raise self.request_errors[model.name]

    def on_response(self, *, model: Any, **_: Any) -> None:
        """Raise the next error of ``response_errors``, if any. The call has had its effect."""
        if errors := self.response_errors.get(model.name):
            error = errors.pop(0)
            if error:
                raise error

    def calls_during(self, step: Callable[[], object]) -> list[str]:
        """Return the DynamoDB calls of ``step``."""
        first_index = len(self.calls)
        step()
        return [name for name in self.calls[first_index:] if name != "GetSecretValue"]


@dataclass(frozen=True)
class CapturedOutput:
    """A function's log lines and metrics on standard output, as JSON."""

    capsys: pytest.CaptureFixture[str]
    chunks: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the complete output of the test."""
        captured = self.capsys.readouterr()
        self.chunks.append(captured.out + captured.err)
        return "".join(self.chunks)

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines."""
        return [json.loads(line) for line in self.text().splitlines()]

    def logs(self) -> list[dict[str, Any]]:
        """Return the log lines."""
        return [line for line in self.lines() if "_aws" not in line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metric lines (CloudWatch's embedded format), one for each invocation."""
        return [line for line in self.lines() if "_aws" in line]

    def metric_total(self, name: str) -> int:
        """Return the sum of a metric."""
        return int(sum(line.get(name, 0) for line in self.metrics()))
