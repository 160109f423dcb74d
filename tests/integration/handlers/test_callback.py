"""Failures during callbacks: authorizations are declined, and all other callbacks return 503 for a retry."""

from collections.abc import Callable
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.support.api_gateway_events import body_event, query_event
from tests.support.aws_errors import MARKER, client_error, raise_in_table
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import (
    SITE_OF_2_0,
    SITE_OF_2_0_IN_JSON,
    SITE_OF_3_0_IN_XML,
    SITES,
    authorization,
    confirmation,
    site_changes,
)
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response, SitesSecret

READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
FAULTS = ["table deleted", "table denied", "secret deleted", "secret malformed", "internal error"]
MALFORMED_EVENTS: list[Any] = [
    *({}, None, [MARKER], {"Records": [{"body": MARKER}]}),
    {**body_event(None), "body": {"a": MARKER}},
    {**query_event([]), "multiValueQueryStringParameters": {"a": None}},
    query_event([("\ud800", MARKER)]),
]


@pytest.fixture(params=FAULTS)
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
    injections: list[Callable[[], object]] = [
        lambda: ledger_table.client.delete_table(TableName=ledger_table.table_name),
        lambda: aws_calls.request_errors.update(dict.fromkeys(WRITES, access_denied)),
        sites_secret.delete,
        lambda: sites_secret.put(f'{{"sites": "{MARKER}"}}'),
        lambda: raise_in_table(monkeypatch, raise_error),
    ]
    injections[FAULTS.index(request.param)]()


@pytest.mark.usefixtures("injected_fault")
def test_authorization_during_failure_declined_and_logged(
    authorize: LambdaFunction, captured_output: CapturedOutput
) -> None:
    response = authorize(authorization(agent_name=MARKER))

    assert response.status == 200
    assert response.fields["accept_payment"] == "no"
    assert response.fields["pnm_order_identifier"] == "80080175585"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason
    [line] = captured_output.logs()
    assert (line["level"], bool(line["error"]), bool(line["error_location"])) == ("ERROR", True, True)
    assert MARKER not in response.body + captured_output.text()
    xml_response = authorize(authorization(**site_changes(SITE_OF_2_0)))
    assert xml_response.content_type.startswith("application/xml")
    assert xml_response.fields["accept_payment"] == "no"


@pytest.mark.usefixtures("injected_fault")
@pytest.mark.parametrize(("name", "message"), [("confirm", confirmation), ("reverse", reversal)])
def test_callback_during_failure_returns_503_for_retry(
    cold_start: Callable[[str], LambdaFunction],
    captured_output: CapturedOutput,
    name: str,
    message: Callable[..., dict[str, str]],
) -> None:
    response = cold_start(name)(message(agent_name=MARKER))

    assert response.status == 503
    assert set(response.content) == {"type", "title", "status"}
    [line] = captured_output.logs()
    assert (line["level"], bool(line["error"]), bool(line["error_location"])) == ("ERROR", True, True)
    assert MARKER not in response.body + captured_output.text()


@pytest.mark.parametrize("site", [SITE_OF_2_0_IN_JSON, SITE_OF_3_0_IN_XML])
def test_decline_without_table_has_format_and_identifier_of_site(
    authorize: LambdaFunction, ledger_table: LedgerFixture, site: str
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = authorize(authorization(site_payment_identifier="site-payment-1", **site_changes(site)))

    assert f"/{SITES[site]['response_format']};" in response.content_type
    assert response.fields["accept_payment"] == "no"
    assert response.fields["site_payment_identifier"] == "site-payment-1"


def test_authorization_without_order_and_secret_not_declined(
    authorize: LambdaFunction, sites_secret: SitesSecret
) -> None:
    sites_secret.delete()

    assert [authorize(authorization(pnm_order_identifier=order)).status for order in (None, "1\n2")] == [503, 503]
    assert authorize.handle(body_event("{")).status == 400


@pytest.mark.parametrize(("name", "message"), [("authorize", authorization), ("confirm", confirmation)])
def test_callback_forged_without_secret_same_as_authentic(
    cold_start: Callable[[str], LambdaFunction],
    sites_secret: SitesSecret,
    ledger_table: LedgerFixture,
    name: str,
    message: Callable[..., dict[str, str]],
) -> None:
    sites_secret.delete()
    function, parameters = cold_start(name), message(pnm_payment_identifier="1")

    def shape(response: Response) -> tuple[int, set[str]]:
        return response.status, set(response.content)

    assert shape(function(parameters)) == shape(function({**parameters, "signature": "0" * 64}))
    assert ledger_table.all_items() == []


@pytest.mark.parametrize("test", [None, "true"])
@pytest.mark.parametrize("operations", [READS, WRITES], ids=["read", "write"])
def test_authorization_retry_after_failure_accepted(
    authorize: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    operations: list[str],
    test: str | None,
) -> None:
    message = authorization(test=test)
    aws_calls.request_errors = dict.fromkeys(operations, client_error("AccessDeniedException"))
    decline = authorize(message).fields
    assert decline["accept_payment"] == "no"
    assert ledger_table.all_items() == []
    aws_calls.request_errors.clear()

    response = authorize(message).fields

    assert response["accept_payment"] == "yes"
    assert response["site_payment_identifier"] == decline["site_payment_identifier"]
    assert ledger_table.payment()["decision"] == "accept"


@pytest.mark.parametrize("name", ["authorize", "confirm", "reverse"])
def test_callback_malformed_event_rejected_stores_nothing(
    cold_start: Callable[[str], LambdaFunction],
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
) -> None:
    function = cold_start(name)

    responses = [function.handle(event) for event in MALFORMED_EVENTS]

    assert {response.status for response in responses} <= {400, 503}
    assert MARKER not in str(responses) + captured_output.text()
    assert ledger_table.all_items() == []
