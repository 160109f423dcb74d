import pytest

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import ProxyEvent, from_headers
from tests.support.api_gateway_events import body_event

KEY = "Idempotency-Key"


def with_headers(headers: dict[str, list[str]] | None) -> ProxyEvent:
    return body_event("{}") | {"multiValueHeaders": headers}


@pytest.mark.parametrize("header_name", [KEY, KEY.lower(), KEY.upper(), "iDEMPOTENCY-kEY"])
def test_header_name_case_insensitive(header_name: str) -> None:
    event = with_headers({header_name: ["key-1"], "Content-Type": ["application/json"]})
    assert from_headers(event, [KEY]) == {KEY: "key-1"}


def test_headers_only_requested_names_returned() -> None:
    event = with_headers({KEY: ["1"], "X-Idempotency-Key": ["2"], "Idempotency-Key-2": ["3"], "A": ["4", "5"]})
    assert from_headers(event, [KEY]) == {KEY: "1"}
    assert from_headers(event, []) == {}
    assert from_headers(event, ["x-idempotency-key", KEY]) == {"x-idempotency-key": "2", KEY: "1"}


@pytest.mark.parametrize("headers", [None, {}, {"Content-Type": ["application/json"]}, {KEY: []}])
def test_header_absent_not_returned(headers: dict[str, list[str]] | None) -> None:
    assert from_headers(with_headers(headers), [KEY]) == {}


def test_headers_event_without_headers_empty() -> None:
    assert from_headers({}, [KEY]) == {}


def test_header_empty_value_returned() -> None:
    assert from_headers(with_headers({KEY: [""]}), [KEY]) == {KEY: ""}


@pytest.mark.parametrize(
    "headers",
    [
        {KEY: ["canary", "canary"]},
        {KEY: ["canary", "other"]},
        {KEY: ["canary", ""]},
        {KEY: ["canary"], KEY.lower(): ["canary"]},
        {KEY.upper(): ["canary"], KEY.lower(): ["other"]},
        {KEY: [""], KEY.lower(): [""]},
    ],
)
def test_header_given_twice_rejected_without_value(headers: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        from_headers(with_headers(headers), [KEY])
    assert exc_info.value.errors == {KEY: "must be given once"}


def test_header_not_requested_allowed_twice() -> None:
    assert from_headers(with_headers({"Accept": ["a", "b"], KEY: ["1"]}), [KEY]) == {KEY: "1"}
