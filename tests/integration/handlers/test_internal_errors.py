from collections.abc import Callable
from typing import Any

import pytest

from paynearme.platform.http_request import ProxyEvent
from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.support.api_gateway_events import body_event, json_event, query_event
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_fixtures import (
    SITE,
    SITE_OF_2_0,
    SITE_OF_2_0_IN_JSON,
    SITE_OF_3_0_IN_XML,
    SITES,
    TRANSPORTS,
    authorization,
    confirmation,
    signed,
    site_changes,
)
from tests.support.dynamodb_stub import raise_in_table
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response, SitesSecret

READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
type FaultInjection = Callable[[], object]


@pytest.fixture(params=["table deleted", "table denied", "secret deleted", "secret malformed", "internal error"])
def injected_fault(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    ledger_table: LedgerFixture,
    sites_secret: SitesSecret,
    aws_calls: AwsCallRecorder,
) -> None:
    """Break one dependency of the response."""

    def raise_error(*_: object) -> None:
        raise RuntimeError(MARKER)

    access_denied = client_error("AccessDeniedException")
    injections: dict[str, FaultInjection] = {
        "table deleted": lambda: ledger_table.client.delete_table(TableName=ledger_table.table_name),
        "table denied": lambda: aws_calls.request_errors.update(dict.fromkeys(WRITES, access_denied)),
        "secret deleted": sites_secret.delete,
        "secret malformed": lambda: sites_secret.put(f'{{"sites": "{MARKER}"}}'),
        "internal error": lambda: raise_in_table(monkeypatch, raise_error),
    }
    injections[request.param]()


@pytest.mark.usefixtures("injected_fault")
class TestFailures:
    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_authorization_during_failure_is_declined(
        self, authorize: LambdaFunction, captured_output: CapturedOutput, transport: str
    ) -> None:
        response = authorize(authorization(agent_name=MARKER), TRANSPORTS[transport])

        assert response.status == 200
        assert response.fields["accept_payment"] == "no"
        assert response.fields["pnm_order_identifier"] == "80080175585"
        assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason
        assert MARKER not in response.body + captured_output.text()

    def test_decline_during_failure_of_2_0_site_is_xml(self, authorize: LambdaFunction) -> None:
        response = authorize(authorization(**site_changes(SITE_OF_2_0)))

        assert response.content_type.startswith("application/xml")
        assert response.fields["accept_payment"] == "no"

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_confirmation_during_failure_returns_503_for_retry(
        self, confirm: LambdaFunction, captured_output: CapturedOutput, transport: str
    ) -> None:
        response = confirm(confirmation(agent_name=MARKER), TRANSPORTS[transport])

        assert response.status == 503
        assert set(response.content) == {"type", "title", "status"}
        assert MARKER not in response.body + captured_output.text()

    @pytest.mark.parametrize("message", [authorization, confirmation])
    def test_callback_during_failure_logs_error_and_location(
        self,
        cold_start: Callable[[str], LambdaFunction],
        captured_output: CapturedOutput,
        message: Callable[[], dict[str, str]],
    ) -> None:
        cold_start("authorize" if message is authorization else "confirm")(message())

        [line] = captured_output.logs()
        assert "error" in line
        assert line["error_location"]


@pytest.mark.parametrize("site", [SITE_OF_2_0_IN_JSON, SITE_OF_3_0_IN_XML])
def test_decline_without_table_has_response_format_of_site(
    authorize: LambdaFunction, ledger_table: LedgerFixture, site: str
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = authorize(authorization(**site_changes(site)))

    assert f"/{SITES[site]['response_format']};" in response.content_type
    assert response.fields["accept_payment"] == "no"


@pytest.mark.parametrize("changes", [{"pnm_order_identifier": None}, {"pnm_order_identifier": "1\n2"}])
def test_authorization_without_order_and_secret_returns_503(
    authorize: LambdaFunction, sites_secret: SitesSecret, changes: dict[str, Any]
) -> None:
    sites_secret.delete()

    assert authorize(authorization(**changes)).status == 503


def test_callback_malformed_without_secret_returns_400(authorize: LambdaFunction, sites_secret: SitesSecret) -> None:
    sites_secret.delete()

    assert authorize.handle(body_event("{")).status == 400


@pytest.mark.parametrize("name", ["authorize", "confirm"])
def test_callback_forged_without_secret_same_as_authentic(
    cold_start: Callable[[str], LambdaFunction], sites_secret: SitesSecret, ledger_table: LedgerFixture, name: str
) -> None:
    sites_secret.delete()
    message = {"authorize": authorization, "confirm": confirmation}[name](pnm_payment_identifier="1")
    function = cold_start(name)

    def shape(response: Response) -> tuple[int, set[str]]:
        return response.status, set(response.content)

    assert shape(function(message)) == shape(function({**message, "signature": "0" * 64}))
    assert ledger_table.all_items() == []


def test_decline_during_failure_returns_site_payment_identifier(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = authorize(authorization(site_payment_identifier="site-payment-1"))

    assert response.fields["site_payment_identifier"] == "site-payment-1"


@pytest.mark.parametrize("test", [None, "true"])
def test_decline_during_failure_has_same_identifier_as_later(
    authorize: LambdaFunction, aws_calls: AwsCallRecorder, test: str | None
) -> None:
    message = authorization(test=test)
    aws_calls.request_errors = dict.fromkeys(WRITES, RuntimeError())
    response_during_failure = authorize(message)
    assert response_during_failure.fields["accept_payment"] == "no"
    aws_calls.request_errors.clear()

    assert (
        response_during_failure.fields["site_payment_identifier"]
        == authorize(message).fields["site_payment_identifier"]
    )


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["read", "write"])
def test_authorization_retry_after_failure_is_accepted(
    authorize: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder, operations: list[str]
) -> None:
    aws_calls.request_errors = dict.fromkeys(operations, RuntimeError())
    assert authorize(authorization()).fields["accept_payment"] == "no"
    assert ledger_table.all_items() == []
    aws_calls.request_errors.clear()

    assert authorize(authorization()).fields["accept_payment"] == "yes"
    assert ledger_table.payment()["decision"] == "accept"


def test_confirmation_retry_after_failure_is_posted(
    confirm: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.request_errors = dict.fromkeys(WRITES, RuntimeError())
    assert confirm(confirmation()).status == 503
    assert ledger_table.all_items() == []
    aws_calls.request_errors.clear()

    assert confirm(confirmation()).status == 200
    assert ledger_table.balances() == {"773090000": 350}


MALFORMED_EVENTS: dict[str, Any] = {
    "empty": {},
    "null": None,
    "list": [MARKER],
    "other event source": {"Records": [{"body": MARKER}]},
    "body is an object": {**body_event(None), "body": {"a": MARKER}},
    "query is a list": {**query_event([]), "multiValueQueryStringParameters": [MARKER]},
    "query value is null": {**query_event([]), "multiValueQueryStringParameters": {"a": None}},
    "non-ASCII base64": body_event("\N{EURO SIGN}" + MARKER, is_base64=True),
    "lone surrogate in a name": query_event([("\ud800", MARKER)]),
}


@pytest.mark.parametrize("event", MALFORMED_EVENTS.values(), ids=MALFORMED_EVENTS)
def test_confirm_malformed_event_rejected_stores_nothing(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, event: ProxyEvent
) -> None:
    response = confirm.handle(event)

    assert response.status in (400, 503)
    assert MARKER not in response.body + captured_output.text()
    assert ledger_table.all_items() == []


@pytest.mark.parametrize("event", MALFORMED_EVENTS.values(), ids=MALFORMED_EVENTS)
def test_authorize_malformed_event_rejected_stores_nothing(
    authorize: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, event: ProxyEvent
) -> None:
    response = authorize.handle(event)

    assert response.status in (400, 503)
    assert MARKER not in response.body + captured_output.text()
    assert ledger_table.all_items() == []


def test_callback_after_malformed_event_logged_without_its_error(
    confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm.handle(MALFORMED_EVENTS["empty"])

    assert confirm.handle(json_event(signed(confirmation()))).status == 200
    failed_log, succeeded_log = captured_output.logs()
    assert "error" in failed_log
    assert "error" not in succeeded_log
    assert succeeded_log["site_identifier"] == SITE


def test_callback_forged_cached_keys_without_secret_returns_401(
    confirm: LambdaFunction, sites_secret: SitesSecret
) -> None:
    assert confirm(confirmation()).status == 200
    sites_secret.delete()

    assert confirm({**confirmation(), "signature": "0" * 64}).status == 401


def test_decline_during_failure_is_logged_as_error(
    authorize: LambdaFunction, aws_calls: AwsCallRecorder, captured_output: CapturedOutput
) -> None:
    aws_calls.request_errors = dict.fromkeys(WRITES, RuntimeError())
    assert authorize(authorization()).status == 200

    [line] = captured_output.logs()
    assert line["level"] == "ERROR"
