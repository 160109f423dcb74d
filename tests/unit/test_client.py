import json
import traceback
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from paynearme.errors import (
    CredentialsRejectedError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
    RequestRejectedError,
    SignatureError,
)
from paynearme.messages import SmartTokenResponse, SmartTokenRequest, read_message
from paynearme.settings import KnownSite
from paynearme.signing import verify
from tests.clock import Clock
from tests.documents import documented
from tests.messages import SECRET, known_site, valid_guaranteed_ach_request
from tests.unit.paynearme_pool import ADDRESS, StubPool, answer_of, client_of

OK = documented("get_smart_token_answer", "guaranteed_ach")


def call(pool: StubPool, site: KnownSite | None = None, seconds: float = 6.5) -> SmartTokenResponse:
    request = read_message(
        SmartTokenRequest, valid_guaranteed_ach_request(payment_amount="25", timestamp="1", version="1.0")
    )
    return client_of(pool).get_smart_token(site or known_site(), request, Clock().deadline(seconds))


def sent(site: KnownSite | None = None, seconds: float = 6.5) -> dict[str, Any]:
    """Return what a call requested, its body read."""
    pool = StubPool(answer_of(200, OK))
    call(pool, site, seconds)
    [request] = pool.requests
    return request | {"body": json.loads(request["body"])}


def error_of(answer: BaseHTTPResponse | HTTPError) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        call(StubPool(answer))
    return caught.value


def test_a_good_answer_is_returned_typed() -> None:
    assert call(StubPool(answer_of(200, OK))).model_dump() == {"orders": OK["orders"]}


def test_the_call_is_a_post_of_json_to_the_operation() -> None:
    request = sent()
    assert (request["method"], request["url"]) == ("POST", f"{ADDRESS}/json-api/get_smart_token")
    assert request["headers"]["Content-Type"] == "application/json"


def test_every_value_is_sent_as_text_with_what_every_call_carries() -> None:
    body = sent()["body"]
    signature = body.pop("signature")
    every_call = {"site_identifier": "S2155373459", "timestamp": "1721943463", "version": "3.0"}
    assert body == valid_guaranteed_ach_request(payment_amount="25.00") | every_call
    assert isinstance(signature, str)


@pytest.mark.parametrize("version", ["3.0", "2.0"])
def test_the_signature_verifies_as_its_sites_version(version: str) -> None:
    body = sent(known_site(version))["body"]
    assert body["version"] == version
    verify(body, body["signature"], [SECRET], version)


def test_a_site_of_version_2_signs_with_md5() -> None:
    assert len(sent(known_site("2.0"))["body"]["signature"]) == 32
    assert len(sent(known_site("3.0"))["body"]["signature"]) == 64


def test_the_key_for_calls_signs_and_the_key_for_callbacks_does_not() -> None:
    body = sent(known_site(api_secret="another"))["body"]
    verify(body, body["signature"], ["another"])
    with pytest.raises(SignatureError):
        verify(body, body["signature"], [SECRET])


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["bad signature"]}, OK])
def test_credentials_that_paynearme_refuses_are_their_own_error(status: int, content: object) -> None:
    assert type(error_of(answer_of(status, content))) is CredentialsRejectedError


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize(
    ("content", "code", "descriptions"),
    [
        ({"response_code": "6513", "errors": [{"description": "Gone"}]}, "6513", ["Gone"]),
        ({"response_code": 6513, "errors": ["Gone", "Really"]}, "6513", ["Gone", "Really"]),
        ({"errors": [{"description": "Gone"}, "Really", {"code": 1}, None, []]}, None, ["Gone", "Really"]),
        ({"response_code": None, "errors": {"description": "Gone"}}, None, ["Gone"]),
        ({"response_code": {}, "errors": "Gone"}, None, ["Gone"]),
        ({"errors": [{"description": None}, {"description": ["Gone"]}, ""]}, None, []),
        ({}, None, []),
    ],
)
def test_a_refusal_carries_paynearmes_code_and_descriptions(
    status: int, content: dict[str, object], code: str | None, descriptions: list[str]
) -> None:
    error = error_of(answer_of(status, {"status": "error", **content}))
    assert isinstance(error, RequestRejectedError)
    assert (error.response_code, error.descriptions) == (code, descriptions)


NO_ANSWERS: list[object] = [
    *(b"", b"<html>Down</html>", b"\xff\xfe", b'{"status": "ok"', b"[" * 100_000),
    *([OK], "ok", 1, None, {}, {"status": "OK"}, {"orders": OK["orders"]}, {"status": "ok"}),
    *({"status": "ok", "orders": []}, {"status": "ok", "orders": [{"type": "order"}]}),
]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((status, {"status": "error", "errors": ["x"]}) for status in (500, 502, 503, 504)),
        *((status, OK) for status in (301, 302, 307, 404, 500)),
        *((200, content) for content in NO_ANSWERS),
    ],
    ids=lambda part: f"{part!r:.40}",
)
def test_an_answer_that_is_none_is_a_fault_of_paynearmes(status: int, content: object) -> None:
    assert type(error_of(answer_of(status, content))) is UpstreamError


@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["x"]}, OK])
def test_a_call_of_which_there_are_too_many_was_turned_away(content: object) -> None:
    assert type(error_of(answer_of(429, content))) is RequestNotAcceptedError


POOL = HTTPConnectionPool("api.example.com")


def exhausted(reason: Exception) -> MaxRetryError:
    return MaxRetryError(POOL, "/json-api/get_smart_token", reason)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (ReadTimeoutError(POOL, "/", "slow"), UpstreamTimeoutError),
        (ConnectTimeoutError("slow"), UpstreamConnectTimeoutError),
    ],
)
def test_attempts_that_end_with_a_time_out_are_too_slow(reason: Exception, kind: type[Exception]) -> None:
    assert issubclass(kind, UpstreamTimeoutError)
    assert type(error_of(exhausted(reason))) is kind


@pytest.mark.parametrize(
    "error",
    [
        exhausted(ProtocolError("reset")),
        exhausted(SSLError("expired")),
        exhausted(OSError("gone")),
        ProtocolError("reset"),
        HTTPError("anything"),
    ],
    ids=repr,
)
def test_a_connection_that_fails_is_a_fault_of_paynearmes(error: HTTPError) -> None:
    assert type(error_of(error)) is UpstreamError


def test_a_connection_that_is_refused_is_a_fault_without_effect_and_no_time_out() -> None:
    refused = NewConnectionError(HTTPConnection("api.example.com"), "Connection refused")
    error = error_of(exhausted(refused))
    assert type(error) is RequestNotAcceptedError
    assert isinstance(error, UpstreamError)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_left_no_call_is_made(seconds: float) -> None:
    pool = StubPool(answer_of(200, OK))
    with pytest.raises(UpstreamConnectTimeoutError):
        call(pool, seconds=seconds)
    assert pool.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(401, {"echo": SECRET}),
        answer_of(500, {"echo": SECRET}),
        answer_of(200, {"status": "ok", "orders": [{"secure_smart_token": SECRET}]}),
        answer_of(200, SECRET.encode()),
        exhausted(ReadTimeoutError(POOL, f"/{SECRET}", SECRET)),
        exhausted(ProtocolError(SECRET)),
        ProtocolError(SECRET),
    ],
)
def test_no_error_tells_what_was_sent_or_received(answer: BaseHTTPResponse | HTTPError) -> None:
    error = error_of(answer)
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert SECRET not in "".join(told)
    assert valid_guaranteed_ach_request()["ext_customer_tax_id_pii"] not in "".join(told)
