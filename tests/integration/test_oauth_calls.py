from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ReadTimeoutError

from paynearme.signing import verify
from tests.documents import documented
from tests.integration.backend_calls import Backend
from tests.integration.making_payments import KEY, REQUEST, SUBMITTED, TAKEN, identifier_of, outcome
from tests.integration.observed import Answer, Function, Stored, StoredSites, Traffic, Written
from tests.integration.paynearme_stub import ANSWERED, PayNearMeStub
from tests.integration.signed_callbacks import SITE, SITES, authorization
from tests.integration.token_address import CLIENT, CLIENT_SECRET, OAUTH, OAUTH_SITE, TOKEN, TokenAddress
from tests.messages import valid_smart_token_request

FIRST, SECOND = f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-2"
SLOW = ReadTimeoutError(HTTPSConnectionPool("login.paynearme.invalid"), "/", "slow")

# Each call: its path, what is asked, and what PayNearMe answers.
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "get_smart_token": ("/smart-tokens", valid_smart_token_request(), ANSWERED),
    "create_order": (
        "/orders",
        documented("create_order", "guaranteed_ach"),
        documented("create_order_answer", "guaranteed_ach"),
    ),
    "find_payment_methods": (
        "/payment-methods/find",
        documented("find_payment_methods", "saved"),
        documented("find_payment_methods_answer", "saved"),
    ),
    "make_payment": ("/payments", REQUEST, TAKEN),
}
REPEATED = [name for name in CALLS if name != "make_payment"]


@pytest.fixture
def backend(cold_start: Callable[[str], Function], oauth_site: str, paynearme: PayNearMeStub) -> Backend:
    return Backend(cold_start)


@pytest.fixture(params=CALLS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def call(backend: Backend, paynearme: PayNearMeStub, name: str, site: str = OAUTH_SITE) -> Answer:
    """Make a call, which PayNearMe answers as usual unless it says something else first."""
    path, asked, said = CALLS[name]
    paynearme.answer = paynearme.saying(200, said)
    key = KEY if name == "make_payment" else None
    return backend.post(path, asked | {"site_identifier": site}, key)


def end_the_lease(stored: Stored) -> None:
    key = {"pk": {"S": f"ACCESS_TOKEN#{OAUTH_SITE}"}, "sk": {"S": "LEASE"}}
    stored.client.delete_item(TableName=stored.table_name, Key=key)


def test_a_call_carries_a_token_and_no_signature(backend: Backend, paynearme: PayNearMeStub, name: str) -> None:
    assert call(backend, paynearme, name).status == 200

    [sent] = paynearme.sent
    assert paynearme.authorizations == [FIRST]
    assert paynearme.addresses == [f"POST https://api.paynearme.invalid/json-api/{name}"]
    assert "signature" not in sent
    assert (sent["site_identifier"], sent["version"]) == (OAUTH_SITE, "3.0")
    assert sent["timestamp"]


def test_a_call_carries_both_where_that_is_set(
    backend: Backend, paynearme: PayNearMeStub, stored_sites: StoredSites, name: str
) -> None:
    both = {**OAUTH, "oauth": CLIENT | {"send_signature": True}}
    stored_sites.put({"sites": {OAUTH_SITE: both}})

    assert call(backend, paynearme, name).status == 200
    [sent] = paynearme.sent
    assert paynearme.authorizations == [FIRST]
    verify(sent, sent["signature"], [OAUTH["secret"]], "3.0")


@pytest.mark.parametrize("site", [SITE, OAUTH_SITE], ids=["without a client", "with one"])
def test_a_site_that_signs_needs_no_token(
    backend: Backend,
    paynearme: PayNearMeStub,
    token_address: TokenAddress,
    stored_sites: StoredSites,
    traffic: Traffic,
    name: str,
    site: str,
) -> None:
    stored_sites.put({"sites": {**SITES, OAUTH_SITE: OAUTH | {"call_authentication": "hmac"}}})

    assert call(backend, paynearme, name, site).status == 200
    assert paynearme.authorizations == [None]
    verify(
        paynearme.sent[0],
        paynearme.sent[0]["signature"],
        [(SITES | {OAUTH_SITE: OAUTH})[site]["secret"]],
        "3.0",
    )
    assert token_address.asked == []
    assert "GetParameter" not in traffic.calls


def test_all_functions_share_one_token(
    backend: Backend, paynearme: PayNearMeStub, token_address: TokenAddress
) -> None:
    for _ in range(2):
        for name in CALLS:
            assert call(backend, paynearme, name).status == 200
        backend.started.clear()

    assert set(paynearme.authorizations) == {FIRST}
    assert len(token_address.asked) == 1


@pytest.mark.parametrize("name", REPEATED)
def test_a_token_that_paynearme_refuses_is_replaced_once(
    backend: Backend, paynearme: PayNearMeStub, token_address: TokenAddress, name: str
) -> None:
    paynearme.answers = [paynearme.saying(401, {"status": "error"})]

    assert call(backend, paynearme, name).status == 200
    assert call(backend, paynearme, name).status == 200
    assert paynearme.authorizations == [FIRST, SECOND, SECOND]
    assert len(token_address.asked) == 2


def test_a_403_is_no_reason_for_another_token(
    backend: Backend, paynearme: PayNearMeStub, token_address: TokenAddress, name: str
) -> None:
    paynearme.answers = [paynearme.saying(403, {"status": "error"})]

    assert outcome(call(backend, paynearme, name)) == (502, "credentials-rejected")
    assert call(backend, paynearme, name).status == 200
    assert paynearme.authorizations == [FIRST, FIRST]
    assert len(token_address.asked) == 1


def test_while_every_token_is_refused_the_address_is_asked_twice_at_most(
    backend: Backend, paynearme: PayNearMeStub, token_address: TokenAddress, name: str
) -> None:
    paynearme.answers = [paynearme.saying(401, {}) for _ in range(99)]

    for _ in range(10):
        assert outcome(call(backend, paynearme, name)) == (502, "credentials-rejected")

    assert len(token_address.asked) <= 2


@pytest.mark.parametrize("name", REPEATED)
def test_where_the_second_token_is_refused_as_well_there_is_no_third(
    backend: Backend, paynearme: PayNearMeStub, token_address: TokenAddress, name: str
) -> None:
    paynearme.answers = [paynearme.saying(401, {}) for _ in range(9)]

    assert outcome(call(backend, paynearme, name)) == (502, "credentials-rejected")
    assert paynearme.authorizations == [FIRST, SECOND]
    assert len(token_address.asked) == 2


def test_a_payment_is_not_sent_again_with_another_token_but_the_next_call_has_one(
    backend: Backend, paynearme: PayNearMeStub
) -> None:
    paynearme.answers = [paynearme.saying(401, {})]

    assert outcome(call(backend, paynearme, "make_payment")) == (502, "credentials-rejected")
    assert paynearme.authorizations == [FIRST]

    assert outcome(call(backend, paynearme, "make_payment")) == SUBMITTED
    assert paynearme.authorizations == [FIRST, SECOND]
    assert {sent["site_payment_identifier"] for sent in paynearme.sent} == {identifier_of(site=OAUTH_SITE)}


NO_TOKEN: dict[str, tuple[HTTPResponse | Exception, tuple[int, str]]] = {
    "400": (HTTPResponse(b'{"error": "invalid_client"}', status=400), (502, "credentials-rejected")),
    "401": (HTTPResponse(b"<html>", status=401), (502, "credentials-rejected")),
    "500": (HTTPResponse(b"<html>", status=500), (502, "paynearme-error")),
    "HTML": (HTTPResponse(b"<html>zq7</html>", status=200), (502, "paynearme-error")),
    "hangs": (SLOW, (504, "paynearme-timeout")),
}


@pytest.mark.parametrize(("said", "told"), NO_TOKEN.values(), ids=NO_TOKEN)
def test_without_a_token_paynearme_is_not_called_and_may_be_called_later(
    backend: Backend,
    paynearme: PayNearMeStub,
    token_address: TokenAddress,
    stored: Stored,
    name: str,
    said: HTTPResponse | Exception,
    told: tuple[int, str],
) -> None:
    token_address.answer = said

    answer = call(backend, paynearme, name)

    assert outcome(answer) == told
    assert "zq7" not in answer.body
    assert paynearme.sent == []
    assert len(token_address.asked) == 1
    token_address.answer = None
    end_the_lease(stored)
    assert call(backend, paynearme, name).status == 200


def test_without_the_store_of_tokens_it_is_unavailable(
    backend: Backend, paynearme: PayNearMeStub, traffic: Traffic, written: Written, name: str
) -> None:
    denied: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    traffic.refused["GetParameter"] = ClientError(denied, "GetParameter")

    assert outcome(call(backend, paynearme, name)) == (503, "unavailable")
    assert paynearme.sent == []
    assert written.counted("AccessTokenUnavailable") == 1
    assert "ClientError AccessDeniedException" in written.logs()[0]["error_causes"]
    traffic.refused.clear()

    assert call(backend, paynearme, name).status == 200


def test_a_token_that_cannot_be_stored_is_used_all_the_same(
    backend: Backend, paynearme: PayNearMeStub, traffic: Traffic, name: str
) -> None:
    denied: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    traffic.refused["PutParameter"] = ClientError(denied, "PutParameter")

    assert call(backend, paynearme, name).status == 200


@pytest.mark.parametrize("statuses", [[], [401], [401, 401], [500]], ids=str)
def test_no_token_and_no_secret_is_in_a_log_an_answer_or_the_table(
    backend: Backend, paynearme: PayNearMeStub, stored: Stored, written: Written, name: str, statuses: list[int]
) -> None:
    paynearme.answers = [paynearme.saying(status, {"status": "error"}) for status in statuses]

    answer = call(backend, paynearme, name)

    assert paynearme.authorizations[0] == FIRST
    left = answer.body + written.text() + str(stored.everything())
    private = (TOKEN, CLIENT_SECRET, CLIENT["client_id"], OAUTH["secret"], "Bearer")
    assert not [text for text in private if text in left]


@pytest.mark.parametrize(
    "changes",
    [{"oauth": None}, {"version": "2.0"}, {"oauth": CLIENT | {"token_url": "http://login.example.com"}}],
    ids=["no client", "version 2.0", "not encrypted"],
)
def test_a_site_that_cannot_have_a_token_makes_the_sites_unavailable(
    backend: Backend, paynearme: PayNearMeStub, stored_sites: StoredSites, changes: dict[str, Any]
) -> None:
    stored_sites.put({"sites": {OAUTH_SITE: OAUTH | changes}})

    assert outcome(call(backend, paynearme, "get_smart_token")) == (503, "unavailable")


def test_callbacks_of_a_site_with_tokens_stay_signed(authorize: Function, oauth_site: str) -> None:
    def ask(secret: str) -> int:
        return authorize(authorization(site_identifier=oauth_site, secret=secret)).status

    assert [ask(OAUTH["secret"]), ask(CLIENT_SECRET)] == [200, 401]
