from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.parameters import Event
from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.events_of_gateway import body_event, json_event, query_event
from tests.integration.observed import Answer, Function, Stored, StoredSites, Traffic, Written
from tests.integration.signed_callbacks import (
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

MARKER = "zq7marker7qz"
READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
type Fault = Callable[[], object]


@pytest.fixture(params=["table gone", "table refused", "secret gone", "secret broken", "a mistake of ours"])
def fault(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    stored: Stored,
    stored_sites: StoredSites,
    traffic: Traffic,
) -> None:
    """Breaks one thing that the answer depends on."""

    def mistake(*_: object) -> None:
        raise RuntimeError(MARKER)

    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": MARKER}}, "Write")
    denied.response["ResponseMetadata"] = {"HTTPStatusCode": 400}  # type: ignore[typeddict-item] # the rest is of no interest
    faults: dict[str, Fault] = {
        "table gone": lambda: stored.client.delete_table(TableName=stored.table_name),
        "table refused": lambda: traffic.refused.update(dict.fromkeys(WRITES, denied)),
        "secret gone": stored_sites.delete,
        "secret broken": lambda: stored_sites.put(f'{{"sites": "{MARKER}"}}'),
        "a mistake of ours": lambda: [
            monkeypatch.setattr(f"paynearme.ledger.Ledger.{method}", mistake)
            for method in ("authorize", "confirm")
        ],
    }
    faults[request.param]()


@pytest.mark.usefixtures("fault")
class TestFailures:
    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_an_authorization_is_declined_in_so_many_words(
        self, authorize: Function, written: Written, transport: str
    ) -> None:
        answer = authorize(authorization(agent_name=MARKER), TRANSPORTS[transport])

        assert answer.status == 200
        assert answer.fields["accept_payment"] == "no"
        assert answer.fields["pnm_order_identifier"] == "80080175585"
        assert answer.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason
        assert MARKER not in answer.body + written.text()

    def test_such_a_decline_has_the_form_of_the_version(self, authorize: Function) -> None:
        answer = authorize(authorization(**site_changes(SITE_OF_2_0)))

        assert answer.content_type.startswith("application/xml")
        assert answer.fields["accept_payment"] == "no"

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_a_confirmation_is_left_to_be_repeated(
        self, confirm: Function, written: Written, transport: str
    ) -> None:
        answer = confirm(confirmation(agent_name=MARKER), TRANSPORTS[transport])

        assert answer.status == 503
        assert set(answer.content) == {"type", "title", "status"}
        assert MARKER not in answer.body + written.text()

    @pytest.mark.parametrize("message", [authorization, confirmation])
    def test_it_is_a_failure_to_whoever_watches(
        self, cold_start: Callable[[str], Function], written: Written, message: Callable[[], dict[str, str]]
    ) -> None:
        cold_start("authorize" if message is authorization else "confirm")(message())

        [line] = written.logs()
        assert "error" in line
        assert line["error_location"]


@pytest.mark.parametrize("site", [SITE_OF_2_0_IN_JSON, SITE_OF_3_0_IN_XML])
def test_a_decline_has_the_form_that_the_site_is_set_to_when_the_site_is_known(
    authorize: Function, stored: Stored, site: str
) -> None:
    stored.client.delete_table(TableName=stored.table_name)

    answer = authorize(authorization(**site_changes(site)))

    assert f"/{SITES[site]['response_format']};" in answer.content_type
    assert answer.fields["accept_payment"] == "no"


@pytest.mark.parametrize("changes", [{"pnm_order_identifier": None}, {"pnm_order_identifier": "1\n2"}])
def test_without_an_order_to_name_there_is_no_decline_but_a_503(
    authorize: Function, stored_sites: StoredSites, changes: dict[str, Any]
) -> None:
    stored_sites.delete()

    assert authorize(authorization(**changes)).status == 503


def test_what_cannot_be_read_stays_a_400_while_the_secret_is_gone(
    authorize: Function, stored_sites: StoredSites
) -> None:
    stored_sites.delete()

    assert authorize.handle(body_event("{")).status == 400


@pytest.mark.parametrize("name", ["authorize", "confirm"])
def test_a_forger_cannot_tell_whether_the_secret_is_gone_for_others_too(
    cold_start: Callable[[str], Function], stored_sites: StoredSites, stored: Stored, name: str
) -> None:
    stored_sites.delete()
    message = {"authorize": authorization, "confirm": confirmation}[name](pnm_payment_identifier="1")
    function = cold_start(name)

    def form(answer: Answer) -> tuple[int, set[str]]:
        return answer.status, set(answer.content)

    assert form(function(message)) == form(function({**message, "signature": "0" * 64}))
    assert stored.everything() == []


def test_a_decline_for_a_failure_carries_the_callbacks_site_payment_identifier(
    authorize: Function, stored: Stored
) -> None:
    stored.client.delete_table(TableName=stored.table_name)

    answer = authorize(authorization(site_payment_identifier="ours-1"))

    assert answer.fields["site_payment_identifier"] == "ours-1"


@pytest.mark.parametrize("test", [None, "true"])
def test_a_decline_for_a_failure_carries_the_identifier_that_the_payment_has_later(
    authorize: Function, traffic: Traffic, test: str | None
) -> None:
    message = authorization(test=test)
    traffic.refused = dict.fromkeys(WRITES, RuntimeError())
    during = authorize(message)
    assert during.fields["accept_payment"] == "no"
    traffic.refused.clear()

    assert during.fields["site_payment_identifier"] == authorize(message).fields["site_payment_identifier"]


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["reading", "writing"])
def test_after_a_failure_the_same_authorization_is_decided(
    authorize: Function, stored: Stored, traffic: Traffic, operations: list[str]
) -> None:
    traffic.refused = dict.fromkeys(operations, RuntimeError())
    assert authorize(authorization()).fields["accept_payment"] == "no"
    assert stored.everything() == []
    traffic.refused.clear()

    assert authorize(authorization()).fields["accept_payment"] == "yes"
    assert stored.payment()["decision"] == "accept"


def test_after_a_failure_the_same_confirmation_is_posted(
    confirm: Function, stored: Stored, traffic: Traffic
) -> None:
    traffic.refused = dict.fromkeys(WRITES, RuntimeError())
    assert confirm(confirmation()).status == 503
    assert stored.everything() == []
    traffic.refused.clear()

    assert confirm(confirmation()).status == 200
    assert stored.balances() == {"773090000": 350}


GARBAGE: dict[str, Any] = {
    "nothing": {},
    "no event": None,
    "a list": [MARKER],
    "another source": {"Records": [{"body": MARKER}]},
    "a body that is no text": {**body_event(None), "body": {"a": MARKER}},
    "a query that is no map": {**query_event([]), "multiValueQueryStringParameters": [MARKER]},
    "a query without values": {**query_event([]), "multiValueQueryStringParameters": {"a": None}},
    "base64 beyond ASCII": body_event("\N{EURO SIGN}" + MARKER, is_base64=True),
    "half a character in a name": query_event([("\ud800", MARKER)]),
}


@pytest.mark.parametrize("event", GARBAGE.values(), ids=GARBAGE)
def test_a_garbage_event_to_confirm_has_an_answer(
    confirm: Function, stored: Stored, written: Written, event: Event
) -> None:
    answer = confirm.handle(event)

    assert answer.status in (400, 503)
    assert MARKER not in answer.body + written.text()
    assert stored.everything() == []


@pytest.mark.parametrize("event", GARBAGE.values(), ids=GARBAGE)
def test_a_garbage_event_to_authorize_has_an_answer(
    authorize: Function, stored: Stored, written: Written, event: Event
) -> None:
    answer = authorize.handle(event)

    assert answer.status in (400, 503)
    assert MARKER not in answer.body + written.text()
    assert stored.everything() == []


def test_a_callback_after_a_garbage_event_is_answered_and_logged_on_its_own(
    confirm: Function, written: Written
) -> None:
    confirm.handle(GARBAGE["nothing"])

    assert confirm.handle(json_event(signed(confirmation()))).status == 200
    failed, succeeded = written.logs()
    assert "error" in failed
    assert "error" not in succeeded
    assert succeeded["site_identifier"] == SITE


def test_a_forgery_is_a_forgery_while_the_secret_is_gone_and_the_keys_are_known(
    confirm: Function, stored_sites: StoredSites
) -> None:
    assert confirm(confirmation()).status == 200
    stored_sites.delete()

    assert confirm({**confirmation(), "signature": "0" * 64}).status == 401


def test_a_decline_for_a_failure_of_ours_is_logged_as_an_error(
    authorize: Function, traffic: Traffic, written: Written
) -> None:
    traffic.refused = dict.fromkeys(WRITES, RuntimeError())
    assert authorize(authorization()).status == 200

    [line] = written.logs()
    assert line["level"] == "ERROR"
