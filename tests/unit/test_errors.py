"""Each error class agrees with the OpenAPI document, with the metrics and with the alarms."""

import json
import re
from typing import Any

import pytest

from operations.openapi import document
from operations.openapi.routes import ROUTES
from paynearme.errors import AuthenticationError, PolicyInvalidError, ServiceError, ValidationFailedError
from paynearme.handlers.callback import callback_handler
from paynearme.platform import observability
from paynearme.platform.http_response import PROBLEM_NAMESPACE
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Confirmation
from tests.support.api_gateway_events import json_event
from tests.support.metric_names import ALL_METRIC_NAMES, ERROR_CLASSES
from tests.support.template import of_type

ALARM_METRICS = {
    alarm["MetricName"] for alarm in of_type("AWS::CloudWatch::Alarm").values() if alarm["Namespace"] == "PayNearMe"
}
DOCUMENTED_PROBLEMS: dict[str, dict[str, Any]] = {
    problem_type: example["value"]
    for response in document()["components"]["responses"].values()
    for problem_type, example in response["content"]["application/problem+json"].get("examples", {}).items()
}
"""The example of each problem type."""

INSTANCES = {type(error): error for route in ROUTES for error in route.problems}
INSTANCES[PolicyInvalidError] = PolicyInvalidError(["defaults: is required"])

for_each_error = pytest.mark.parametrize("error", ERROR_CLASSES, ids=lambda error: error.__name__)
for_each_api_error = pytest.mark.parametrize(
    "error",
    [error for error in ERROR_CLASSES if not issubclass(error, AuthenticationError)],
    ids=lambda error: error.__name__,
)


@for_each_api_error
def test_error_problem_type_documented(error: type[ServiceError]) -> None:
    problem = DOCUMENTED_PROBLEMS[error.problem_type]
    assert problem["type"] == f"{PROBLEM_NAMESPACE}{error.problem_type}"
    assert (problem["status"], problem["title"]) == (error.status, error.title)


@for_each_api_error
def test_error_extension_members_documented(error: type[ServiceError]) -> None:
    if "extensions" in vars(error):
        extensions = INSTANCES[error].extensions()
        assert extensions.keys() == DOCUMENTED_PROBLEMS[error.problem_type].keys() - {"type", "title", "status"}


@for_each_error
def test_error_has_either_request_or_call_metric(error: type[ServiceError]) -> None:
    assert (error.metric is None) != (error.upstream_metric is None)
    assert not (error.metric or "").startswith("PayNearMe")
    assert (error.upstream_metric or "PayNearMe").startswith("PayNearMe")
    name = error.metric or error.upstream_metric or ""
    assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
    assert name in ALL_METRIC_NAMES


def test_error_metrics_distinct() -> None:
    names = [vars(error).get("metric") or vars(error).get("upstream_metric") for error in ERROR_CLASSES]
    declared = [name for name in names if name]
    assert len(declared) == len(set(declared))


@for_each_error
def test_callback_error_counts_its_metric_and_alarm_metric(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[ServiceError]
) -> None:
    def raise_error(*_: object) -> None:
        raise INSTANCES.get(error) or error()

    observability.metrics.clear_metrics()
    monkeypatch.setattr("paynearme.handlers.callback.receive_callback", raise_error)
    sites: Any = None

    @callback_handler("confirm", Confirmation, Settings(sites_secret="s"), sites)
    def handler(_: object) -> Any:
        return None

    assert handler(json_event({}), None)["statusCode"] == error.status

    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    if error.metric:
        assert metrics[error.metric] == [1]
    # Other errors with a status below 500 are the sender's.
    if error.status >= 500 or issubclass(error, AuthenticationError | ValidationFailedError):
        assert metrics.keys() & ALARM_METRICS - {"ResponseBudgetUsedPercent"}
