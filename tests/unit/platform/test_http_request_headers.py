import pytest

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import ProxyEvent, from_headers
from tests.support.api_gateway_events import body_event

KEY = "Idempotency-Key"


def with_headers(headers: dict[str, list[str]] | None) -> ProxyEvent:
    return body_event("{}") | {"multiValueHeaders": headers}


@pytest.mark.parametrize("header_name", [KEY, KEY.lower(), KEY.upper(), "iDEMPOTENCY-kEY"])
def test_a_header_is_found_however_it_is_spelled(header_name: str) -> None:
    event = with_headers({header_name: ["key-1"], "Content-Type": ["application/json"]})
    assert from_headers(event, [KEY]) == {KEY: "key-1"}


def test_only_what_is_asked_for_is_returned() -> None:
    event = with_headers({KEY: ["1"], "X-Idempotency-Key": ["2"], "Idempotency-Key-2": ["3"], "A": ["4", "5"]})
    assert from_headers(event, [KEY]) == {KEY: "1"}
    assert from_headers(event, []) == {}
    assert from_headers(event, ["x-idempotency-key", KEY]) == {"x-idempotency-key": "2", KEY: "1"}


@pytest.mark.parametrize("headers", [None, {}, {"Content-Type": ["application/json"]}, {KEY: []}])
def test_a_header_that_is_absent_is_not_there(headers: dict[str, list[str]] | None) -> None:
    assert from_headers(with_headers(headers), [KEY]) == {}


def test_an_event_without_headers_has_none() -> None:
    assert from_headers({}, [KEY]) == {}


def test_an_empty_header_is_there() -> None:
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
def test_a_header_that_comes_twice_is_named_and_not_repeated(headers: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        from_headers(with_headers(headers), [KEY])
    assert exc_info.value.errors == {KEY: "must be given once"}


def test_a_header_that_nobody_asks_for_may_come_twice() -> None:
    assert from_headers(with_headers({"Accept": ["a", "b"], KEY: ["1"]}), [KEY]) == {KEY: "1"}
