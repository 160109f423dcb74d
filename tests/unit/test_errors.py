"""Each error class agrees with the metrics and with the alarms."""

import json
import re
from typing import Any

import pytest

from operations.openapi.routes import ROUTES
from paynearme.errors import AuthenticationError, PolicyInvalidError, ServiceError, UnprocessableCallbackError
from paynearme.handlers.callback import callback_handler
from paynearme.platform import observability
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Confirmation
from tests.support.api_gateway_events import json_event
from tests.support.metric_names import ERROR_CLASSES
from tests.support.template import of_type

ALARM_METRICS = {
    alarm["MetricName"] for alarm in of_type("AWS::CloudWatch::Alarm").values() if alarm["Namespace"] == "PayNearMe"
}
INSTANCES = {type(error): error for route in ROUTES for error in route.problems}
INSTANCES[PolicyInvalidError] = PolicyInvalidError(["defaults: is required"])
INSTANCES[UnprocessableCallbackError] = UnprocessableCallbackError("unknown_status")


def test_error_has_either_request_or_call_metric_distinct() -> None:
    names = [vars(error).get("metric") or vars(error).get("upstream_metric") for error in ERROR_CLASSES]
    declared = [name for name in names if name]
    assert len(declared) == len(set(declared))
    for error in ERROR_CLASSES:
        assert (error.metric is None) != (error.upstream_metric is None)
        # The prefix distinguishes the metrics of calls to PayNearMe.
        assert re.fullmatch(r"(?!PayNearMe)[A-Z][A-Za-z]+", error.metric or "Other")
        assert re.fullmatch(r"PayNearMe[A-Za-z]+", error.upstream_metric or "PayNearMeOther")


@pytest.mark.parametrize("error", ERROR_CLASSES, ids=lambda error: error.__name__)
def test_callback_error_counts_its_metric_and_alarm_metric(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[ServiceError]
) -> None:
    def raise_error(*_: object) -> None:
        raise INSTANCES.get(error) or error()

    observability.reset()
    monkeypatch.setattr("paynearme.handlers.callback.authenticate_callback", raise_error)
    unused: Any = None

    @callback_handler("confirm", Confirmation, Settings(sites_secret="s"), unused, unused)
    def handler(_: object) -> Any:
        return None

    assert handler(json_event({}), None)["statusCode"] == error.status

    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    if error.metric:
        assert metrics[error.metric] == 1
    # Other errors with a status below 500 are the sender's.
    if error.status >= 500 or issubclass(error, AuthenticationError):
        assert metrics.keys() & ALARM_METRICS - {"ResponseBudgetUsedPercent"}
