import traceback
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from paynearme.errors import (
    CredentialsRejectedError,
    RequestNotAcceptedError,
    RequestRejectedError,
    ServiceError,
    UpstreamError,
)
from paynearme.protocol.signing import verify
from paynearme.sites.site import ResolvedSite
from tests.support.client_stubs import BASE_URL, NOW, PAYMENT_REQUEST, RESPONSES, call, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import SECRET, resolved_site, valid_guaranteed_ach_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub, Reply, http_response

for_each_operation = pytest.mark.parametrize("operation", RESPONSES)


def call_with(pool: PayNearMeStub, operation: str = "get_smart_token", site: ResolvedSite | None = None) -> Any:
    return call(new_client(pool), operation, site or resolved_site(), Clock().deadline(6.5))


def sent_body(site: ResolvedSite | None = None) -> dict[str, str]:
    pool = PayNearMeStub()
    call_with(pool, site=site)
    [body] = pool.sent
    return body


def error_of(reply: Reply, operation: str = "get_smart_token") -> ServiceError:
    with pytest.raises(ServiceError) as exc_info:
        call_with(PayNearMeStub(reply), operation)
    return exc_info.value


@for_each_operation
@pytest.mark.parametrize(("status", "word"), [(200, "OK"), (201, "ok"), (202, "ok")])
def test_response_2xx_with_status_ok_succeeds(operation: str, status: int, word: str) -> None:
    assert call_with(PayNearMeStub(http_response(status, RESPONSES[operation] | {"status": word})), operation)


@for_each_operation
def test_call_sends_signed_json_to_operation(operation: str) -> None:
    pool = PayNearMeStub(http_response(200, RESPONSES[operation]))
    call_with(pool, operation)
    assert pool.urls == [f"POST {BASE_URL}/json-api/{operation}"]
    assert pool.requests[0]["headers"]["Content-Type"] == "application/json"
    verify(pool.sent[0], pool.sent[0]["signature"], [SECRET])


def test_call_values_sent_as_text_with_common_parameters() -> None:
    body = sent_body()
    common_parameters = {"site_identifier": "S2155373459", "timestamp": str(int(NOW)), "version": "3.0"}
    expected = valid_guaranteed_ach_request(payment_amount="25.00") | common_parameters
    assert body == expected | {"signature": body["signature"]}


@pytest.mark.parametrize(("version", "length"), [("3.0", 64), ("2.0", 32)])
def test_signature_verifies_with_site_version_and_api_secret(version: str, length: int) -> None:
    body = sent_body(resolved_site(version, api_secret="api-secret"))
    assert (body["version"], len(body["signature"])) == (version, length)
    verify(body, body["signature"], ["api-secret"], version)


def test_api_key_id_sent_and_signed() -> None:
    body = sent_body(resolved_site().model_copy(update={"api_key_id": "k-1"}))
    assert body["api_key_id"] == "k-1"
    verify(body, body["signature"], [SECRET])
    assert "api_key_id" not in sent_body()


# The status alone decides.
@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["x"]}, SAMPLE_REPLY], ids=range(3))
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, CredentialsRejectedError), (403, CredentialsRejectedError), (429, RequestNotAcceptedError)],
)
def test_response_401_403_429_not_accepted(status: int, content: object, kind: type[ServiceError]) -> None:
    assert type(error_of(http_response(status, content))) is kind


@pytest.mark.parametrize(
    ("status", "content", "code", "descriptions"),
    [
        (200, {"response_code": "6513", "errors": [{"description": "Gone"}]}, "6513", ["Gone"]),
        (400, {"response_code": 6513, "errors": ["Gone", "Really"]}, "6513", ["Gone", "Really"]),
        (400, {"status": None, "errors": ["Gone"]}, None, ["Gone"]),
        (404, {"errors": [{"description": "Gone"}, "Really", {"code": 1}, None, []]}, None, ["Gone", "Really"]),
        (422, {"response_code": None, "errors": {"description": "Gone"}}, None, ["Gone"]),
        (200, {"response_code": {}, "errors": "Gone"}, None, ["Gone"]),
        (200, {"errors": [{"description": None}, {"description": ["Gone"]}, "", 17]}, None, ["17"]),
        (200, {}, None, []),
    ],
)
def test_rejection_has_response_code_and_descriptions(
    status: int, content: dict[str, object], code: str | None, descriptions: list[str]
) -> None:
    error = error_of(http_response(status, {"status": "error", **content}))
    assert isinstance(error, RequestRejectedError)
    assert (error.response_code, error.descriptions) == (code, descriptions)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((status, {"status": "error", "errors": ["x"]}) for status in (500, 503)),
        *((status, SAMPLE_REPLY) for status in (302, 400, 404, 500)),
        *((200, content) for content in (b"", b"<html>Down</html>", b"\xff\xfe", b'{"status": "ok"', b"[" * 100_000)),
        *((200, content) for content in ([SAMPLE_REPLY], "ok", None, {}, {"status": True}, {"status": "ok"})),
        *((200, {"status": "ok", "orders": orders}) for orders in ([], [{"type": "order"}])),
    ],
    ids=lambda part: f"{part!r:.40}",
)
def test_response_invalid_upstream_error(status: int, content: object) -> None:
    assert type(error_of(http_response(status, content))) is UpstreamError


@pytest.mark.parametrize("operation", ["get_smart_token", "make_payment"])
@pytest.mark.parametrize(
    "reply",
    [
        http_response(401, {"echo": SECRET}),
        http_response(500, {"echo": SECRET}),
        http_response(200, {"status": SECRET, "orders": [{"secure_smart_token": SECRET}]}),
        http_response(200, SECRET.encode()),
        ProtocolError(SECRET),
    ],
    ids=range(5),
)
def test_call_errors_contain_no_sent_or_received_values(operation: str, reply: Reply) -> None:
    error = error_of(reply, operation)
    error_text = "".join([str(error), repr(error), *traceback.format_exception(error)])
    sent_values = [
        *(SECRET, valid_guaranteed_ach_request()["ext_customer_tax_id_pii"]),
        *(PAYMENT_REQUEST.payment_method_identifier, PAYMENT_REQUEST.idempotency_key),
    ]
    assert not [value for value in sent_values if value in error_text]
