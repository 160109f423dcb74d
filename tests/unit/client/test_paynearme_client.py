import json
import traceback
from typing import Any

import pytest
from urllib3 import HTTPResponse
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
    RequestNotAcceptedError,
    RequestRejectedError,
    ServiceError,
    SignatureError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.protocol.parsing import read_message
from paynearme.protocol.signing import verify
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from paynearme.sites.site import ResolvedSite
from tests.support.client_stubs import BASE_URL, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import SECRET, resolved_site, valid_guaranteed_ach_request
from tests.support.paynearme_stub import PayNearMeStub, http_response
from tests.support.samples import load_sample

VALID_RESPONSE = load_sample("get_smart_token_response", "guaranteed_ach")


def call(pool: PayNearMeStub, site: ResolvedSite | None = None, seconds: float = 6.5) -> SmartTokenResponse:
    request = read_message(
        SmartTokenRequest, valid_guaranteed_ach_request(payment_amount="25", timestamp="1", version="1.0")
    )
    return new_client(pool).get_smart_token(site or resolved_site(), request, Clock().deadline(seconds))


def sent_request(site: ResolvedSite | None = None, seconds: float = 6.5) -> dict[str, Any]:
    """Return the request of a call, with its parsed body."""
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    call(pool, site, seconds)
    [request] = pool.requests
    return request | {"body": json.loads(request["body"])}


def error_of(response: HTTPResponse | HTTPError) -> ServiceError:
    with pytest.raises(ServiceError) as exc_info:
        call(PayNearMeStub(response))
    return exc_info.value


def test_response_valid_returned_as_model() -> None:
    assert call(PayNearMeStub(http_response(200, VALID_RESPONSE))).model_dump() == {"orders": VALID_RESPONSE["orders"]}


def test_call_sends_post_request_with_json() -> None:
    request = sent_request()
    assert (request["method"], request["url"]) == ("POST", f"{BASE_URL}/json-api/get_smart_token")
    assert request["headers"]["Content-Type"] == "application/json"


def test_call_values_sent_as_text_with_common_parameters() -> None:
    body = sent_request()["body"]
    signature = body.pop("signature")
    common_parameters = {"site_identifier": "S2155373459", "timestamp": "1721943463", "version": "3.0"}
    assert body == valid_guaranteed_ach_request(payment_amount="25.00") | common_parameters
    assert isinstance(signature, str)


@pytest.mark.parametrize("version", ["3.0", "2.0"])
def test_signature_verifies_with_site_version(version: str) -> None:
    body = sent_request(resolved_site(version))["body"]
    assert body["version"] == version
    verify(body, body["signature"], [SECRET], version)


def test_signature_version_2_is_md5() -> None:
    assert len(sent_request(resolved_site("2.0"))["body"]["signature"]) == 32
    assert len(sent_request(resolved_site("3.0"))["body"]["signature"]) == 64


def test_signature_uses_call_key_not_callback_key() -> None:
    body = sent_request(resolved_site(api_secret="another"))["body"]
    verify(body, body["signature"], ["another"])
    with pytest.raises(SignatureError):
        verify(body, body["signature"], [SECRET])


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["bad signature"]}, VALID_RESPONSE])
def test_response_401_or_403_credentials_rejected(status: int, content: object) -> None:
    assert type(error_of(http_response(status, content))) is CredentialsRejectedError


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
def test_rejection_has_response_code_and_descriptions(
    status: int, content: dict[str, object], code: str | None, descriptions: list[str]
) -> None:
    error = error_of(http_response(status, {"status": "error", **content}))
    assert isinstance(error, RequestRejectedError)
    assert (error.response_code, error.descriptions) == (code, descriptions)


INVALID_RESPONSES: list[object] = [
    *(b"", b"<html>Down</html>", b"\xff\xfe", b'{"status": "ok"', b"[" * 100_000),
    *([VALID_RESPONSE], "ok", 1, None, {}, {"status": "OK"}, {"orders": VALID_RESPONSE["orders"]}, {"status": "ok"}),
    *({"status": "ok", "orders": []}, {"status": "ok", "orders": [{"type": "order"}]}),
]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((status, {"status": "error", "errors": ["x"]}) for status in (500, 502, 503, 504)),
        *((status, VALID_RESPONSE) for status in (301, 302, 307, 404, 500)),
        *((200, content) for content in INVALID_RESPONSES),
    ],
    ids=lambda part: f"{part!r:.40}",
)
def test_response_invalid_upstream_error(status: int, content: object) -> None:
    assert type(error_of(http_response(status, content))) is UpstreamError


@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["x"]}, VALID_RESPONSE])
def test_response_429_request_not_accepted(content: object) -> None:
    assert type(error_of(http_response(429, content))) is RequestNotAcceptedError


POOL = HTTPConnectionPool("api.example.com")


def max_retries_error(reason: Exception) -> MaxRetryError:
    return MaxRetryError(POOL, "/json-api/get_smart_token", reason)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (ReadTimeoutError(POOL, "/", "slow"), UpstreamTimeoutError),
        (ConnectTimeoutError("slow"), UpstreamConnectTimeoutError),
    ],
)
def test_call_timed_out_attempts_upstream_timeout(reason: Exception, kind: type[Exception]) -> None:
    assert issubclass(kind, UpstreamTimeoutError)
    assert type(error_of(max_retries_error(reason))) is kind


@pytest.mark.parametrize(
    "error",
    [
        max_retries_error(ProtocolError("reset")),
        max_retries_error(SSLError("expired")),
        max_retries_error(OSError("gone")),
        ProtocolError("reset"),
        HTTPError("anything"),
    ],
    ids=repr,
)
def test_call_connection_failure_upstream_error(error: HTTPError) -> None:
    assert type(error_of(error)) is UpstreamError


def test_call_new_connection_error_request_not_accepted() -> None:
    connection_error = NewConnectionError(HTTPConnection("api.example.com"), "Connection refused")
    error = error_of(max_retries_error(connection_error))
    assert type(error) is RequestNotAcceptedError
    assert isinstance(error, UpstreamError)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_call_without_time_sends_nothing(seconds: float) -> None:
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    with pytest.raises(UpstreamConnectTimeoutError):
        call(pool, seconds=seconds)
    assert pool.requests == []


@pytest.mark.parametrize(
    "response",
    [
        http_response(401, {"echo": SECRET}),
        http_response(500, {"echo": SECRET}),
        http_response(200, {"status": "ok", "orders": [{"secure_smart_token": SECRET}]}),
        http_response(200, SECRET.encode()),
        max_retries_error(ReadTimeoutError(POOL, f"/{SECRET}", SECRET)),
        max_retries_error(ProtocolError(SECRET)),
        ProtocolError(SECRET),
    ],
)
def test_call_errors_contain_no_sent_or_received_values(response: HTTPResponse | HTTPError) -> None:
    error = error_of(response)
    error_texts = [str(error), repr(error), *traceback.format_exception(error)]
    assert SECRET not in "".join(error_texts)
    assert valid_guaranteed_ach_request()["ext_customer_tax_id_pii"] not in "".join(error_texts)
