"""What a test sees of a function: its answers, what it stored, what it wrote, and its calls to AWS."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree

import pytest
from boto3.dynamodb.types import TypeDeserializer

from paynearme.handlers.callback import callback_handler
from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Authorization
from tests.support.api_gateway_events import json_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

RESPONSE_TIMEOUT_SECONDS = Settings(sites_secret="").response_timeout_seconds

_from_wire = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    content_type: str
    body: str
    retry_after: str | None = None

    @classmethod
    def parse(cls, result: Mapping[str, Any]) -> Self:
        """Read a function's answer to API Gateway."""
        assert result["isBase64Encoded"] is False
        headers = result["headers"]
        return cls(result["statusCode"], headers["Content-Type"], result["body"], headers.get("Retry-After"))

    @property
    def content(self) -> dict[str, Any]:
        """Return a JSON body."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def fields(self) -> dict[str, str]:
        """Return what stands inside PayNearMe's envelope, in JSON or in XML."""
        if self.content_type.startswith("application/xml"):
            element = ElementTree.fromstring(self.body)[0]  # noqa: S314 # our own answer
            return {field.tag.partition("}")[2]: field.text or "" for field in element}
        [envelope] = self.content.values()
        [fields] = (element for name, element in envelope.items() if name != "version")
        return dict(fields)


@dataclass(frozen=True)
class LambdaFunction:
    """A function as Lambda has it after a cold start; ``app`` is its module."""

    app: Any

    def __call__(
        self, parameters: Mapping[str, str], transport: Callable[[Mapping[str, str]], ProxyEvent] = json_event
    ) -> Response:
        """Send a message."""
        return self.handle(transport(parameters))

    def handle(self, event: ProxyEvent) -> Response:
        """Hand over an event of API Gateway."""
        return Response.parse(self.app.handler(event, None))

    def authorize_at(self, now: datetime, parameters: Mapping[str, str]) -> Response:
        """Send an authorization when our clock shows ``now``."""
        decorate = callback_handler("authorize", Authorization, self.app.settings, self.app.sites, clock=lambda: now)
        return Response.parse(decorate(self.app.handler.__wrapped__)(json_event(parameters), None))


@dataclass(frozen=True)
class LedgerFixture:
    """The table's content."""

    client: "DynamoDBClient"
    table_name: str

    def all_items(self) -> list[dict[str, Any]]:
        """Return all items."""
        items = self.client.scan(TableName=self.table_name)["Items"]
        return [{name: _from_wire(value) for name, value in item.items()} for item in items]

    def payments(self) -> list[dict[str, Any]]:
        """Return the items of all payments, real and test."""
        return [item for item in self.all_items() if item["sk"] == "PAYMENT"]

    def payment(self) -> dict[str, Any]:
        """Return the item of the only payment there is."""
        [item] = self.payments()
        return item

    def anomalies(self) -> set[str]:
        """Return what the only payment is marked with."""
        return set(self.payment().get("anomalies", set()))

    def balances(self) -> dict[str, Decimal]:
        """Return the customers' balances by customer."""
        accounts = [item for item in self.all_items() if item["sk"] == "ACCOUNT"]
        return {item["site_customer_identifier"]: item["balance"] for item in accounts}

    def spent_amounts(self) -> set[Decimal]:
        """Return the different amounts that the customers' windows hold: one where there is one payment."""
        return {item["spent"] for item in self.all_items() if item["pk"].startswith("SPENDING#")}


@dataclass(frozen=True)
class SitesSecret:
    """The sites' secret, as an operator changes it."""

    client: "SecretsManagerClient"
    name: str

    def put(self, document: object) -> None:
        """Make ``document`` the current version: text as it is, anything else as JSON."""
        text = document if isinstance(document, str) else json.dumps(document)
        self.client.put_secret_value(SecretId=self.name, SecretString=text)

    def delete(self) -> None:
        """Delete the secret for good."""
        self.client.delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)


@dataclass
class AwsCallRecorder:
    """The calls of the functions to AWS: names of those that were made, and errors for those to come."""

    calls: list[str] = field(default_factory=list)
    request_errors: dict[str, Exception] = field(default_factory=dict)
    response_errors: dict[str, list[Exception | None]] = field(default_factory=dict)

    def on_request(self, *, model: Any, **_: Any) -> None:
        """Note a call, and fail it if it is in ``refused``: it has no effect."""
        self.calls.append(model.name)
        if model.name in self.request_errors:
            raise self.request_errors[model.name]

    def on_response(self, *, model: Any, **_: Any) -> None:
        """Lose the answer to a call, which has had its effect, if an error is next for it in ``lost``."""
        if errors := self.response_errors.get(model.name):
            error = errors.pop(0)
            if error:
                raise error

    def calls_during(self, step: Callable[[], object]) -> list[str]:
        """Return the calls that ``step`` makes of DynamoDB."""
        first_index = len(self.calls)
        step()
        return [name for name in self.calls[first_index:] if name != "GetSecretValue"]


@dataclass(frozen=True)
class CapturedOutput:
    """What a function wrote to its standard output: log lines and metrics, as JSON."""

    capsys: pytest.CaptureFixture[str]
    chunks: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return everything that was written since the test began."""
        captured = self.capsys.readouterr()
        self.chunks.append(captured.out + captured.err)
        return "".join(self.chunks)

    def lines(self) -> list[dict[str, Any]]:
        """Return each line's content."""
        return [json.loads(line) for line in self.text().splitlines()]

    def logs(self) -> list[dict[str, Any]]:
        """Return the log lines."""
        return [line for line in self.lines() if "_aws" not in line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics, in CloudWatch's embedded format, one for each call."""
        return [line for line in self.lines() if "_aws" in line]

    def metric_total(self, name: str) -> int:
        """Return how often ``name`` was counted."""
        return int(sum(sum(line.get(name, [])) for line in self.metrics()))


class StandardOutput:
    """Standard output as it is at each write: pytest puts another in its place for each phase of a test."""

    def write(self, text: str) -> int:
        """Write there."""
        return sys.stdout.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stdout.flush()
