import json
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import pytest

from paynearme.errors import MalformedRequestError, PayloadTooLargeError, ValidationFailedError
from paynearme.platform.http_request import (
    ProxyEvent,
    from_body,
    from_headers,
    from_json_body,
    from_path,
    from_query,
    undecodable_parameters,
)
from tests.support.api_gateway_events import body_event, bytes_event, query_event

KEY = "Idempotency-Key"


def query(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return from_query(query_event(pairs))


def form(pairs: list[tuple[str, str]]) -> dict[str, str | None]:
    return from_body(body_event(urlencode(pairs)))


def json_object(pairs: list[tuple[str, str]]) -> dict[str, str | None]:
    members = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return from_body(body_event("{" + ", ".join(members) + "}"))


for_each_transport = pytest.mark.parametrize("parse", [query, form, json_object])
type Parse = Callable[[list[tuple[str, str]]], Mapping[str, str | None]]


@for_each_transport
@pytest.mark.parametrize("second", ["1", "2", ""])
def test_parameter_name_given_twice_malformed(parse: Parse, second: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse([("a", "1"), ("b", "1"), ("a", second)])


@for_each_transport
@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a[]", "a\n", "\u0430", "a\x00", "a٣"])
def test_parameter_name_against_pattern_malformed(parse: Parse, name: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse([("a", "1"), (name, "1")])


@pytest.mark.parametrize("escaped", ["%61=1&a=2", '{"a": "1", "\\u0061": "2"}', '{"a": "1", "a": null}'])
def test_parameter_name_escaped_and_given_twice_malformed(escaped: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(escaped))


@pytest.mark.parametrize("text", ["500.00", "1E+2", "-0", "9" * 5000, "true", "false"])
def test_json_numbers_and_booleans_keep_spelling_and_signature(text: str) -> None:
    parsed = from_body(body_event(f'{{"payment_amount": {text}, "version": "3.0", "absent": null}}'))
    assert parsed == {"payment_amount": text, "version": "3.0", "absent": None}


@pytest.mark.parametrize("body", ["a=Zo\xeb&b=%C3%AB", '\r\n\t {"a": "Zo\xeb", "b": "\\u00eb"}'])
def test_body_utf_8_and_escapes_parsed_alike_in_base64(body: str) -> None:
    expected = {"a": "Zoë", "b": "ë"}
    assert from_body(bytes_event(body.encode())) == from_body(body_event(body)) == expected


@pytest.mark.parametrize("is_base64", [True, False])
def test_form_empty_body_no_parameters_and_malformed_json(is_base64: bool) -> None:
    for body in (None, ""):
        assert from_body(body_event(body, is_base64=is_base64)) == {}
        with pytest.raises(MalformedRequestError):
            from_json_body(body_event(body, is_base64=is_base64))


@pytest.mark.parametrize("body", ["a=1", "true", "null", "[]"])
def test_json_body_form_or_other_value_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_json_body(body_event(body))


@pytest.mark.parametrize(
    "body",
    [
        *('[{"a": "1"}]', '"a"', "{", '{"a": "1",}', '{"a": "1"} {}', '{"a": 01}', '\ufeff{"a": "1"}'),
        *('{"a": NaN}', '{"a": -Infinity}', '{"a": "\\ud800"}', '{"a": "\\udfe6\\ud83c"}', '{"a": "\ud800"}'),
        *('{"a": ' + "[" * 60_000, '{"a":' * 10_000 + "1" + "}" * 10_000),
    ],
    ids=lambda body: repr(body)[:24],
)
def test_json_body_invalid_or_not_object_malformed(body: str) -> None:
    for parse in (from_body, from_json_body):
        with pytest.raises(MalformedRequestError):
            parse(body_event(body))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        *(('{"a": {"b": "1"}}', "a"), ('{"a": []}', "a"), ('{"Upper": "1"}', "Upper"), ('{"a-b": null}', "a-b")),
        *(('{"\\ud800": "1"}', "(unprintable)"), ('{"' + "x" * 65 + '-": "1"}', "x" * 64)),
        *(
            ('{"additional_parameters": []}', "additional_parameters"),
            ('{"additional_parameters.b": "1"}', "additional_parameters.b"),
        ),
        ('{"additional_parameters": {"b": {"c": "1"}}}', "additional_parameters.b"),
        ('{"additional_parameters": {"A": "1"}}', "additional_parameters.A"),
    ],
)
def test_json_invalid_parameter_malformed_or_validation_error(body: str, name: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body))
    with pytest.raises(ValidationFailedError) as exc_info:
        from_json_body(body_event(body))
    assert set(exc_info.value.errors) == {name}


def test_json_additional_parameters_have_prefix_and_text() -> None:
    body = '{"additional_parameters": {"a": 1.50, "b": false, "c": null, "d": ""}, "a": 1}'
    names = {"a": "1", "additional_parameters.a": "1.50", "additional_parameters.b": "false"}
    assert from_json_body(body_event(body)) == names | {"additional_parameters.d": ""}
    assert from_json_body(body_event('{"additional_parameters": null}')) == {}
    assert from_json_body(body_event('{"additional_parameters": "a"}')) == {"additional_parameters": "a"}


@pytest.mark.parametrize("content", ['{"a": 1, "a": 2}', '{"a": 1}, "additional_parameters": {}', '{"a": "\\ud800"}'])
def test_json_additional_parameters_malformed(content: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_json_body(body_event(f'{{"additional_parameters": {content}}}'))


@pytest.mark.parametrize("body", [b"a=\xff", b"\xff=1", b'{"a": "\xff"}', b"a=%FF", b"%FF=1", b"a=%ED%A0%80"])
def test_body_not_utf_8_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(bytes_event(body))


@pytest.mark.parametrize("body", ["YT0", "YT0x=", "Y T0x", "YT0x\n", "YT0-", "YT0x" * 3 + "!", "YT0xé", "\ud800"])
def test_base64_invalid_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body, is_base64=True))


@pytest.mark.parametrize(
    ("event_of", "padding", "parse"),
    [
        (lambda value: query_event([("a", value[:5]), ("bc", value[5:])]), 3, from_query),
        (lambda value: body_event("a=" + value), 2, from_body),
        (lambda value: bytes_event(b'{"a":"' + value.encode() + b'"}'), 8, from_json_body),
    ],
    ids=["query", "form", "JSON in base64"],
)
def test_request_64_kib_parsed_one_byte_more_too_large(
    event_of: Callable[[str], ProxyEvent], padding: int, parse: Callable[[ProxyEvent], dict[str, str]]
) -> None:
    value = "é" * 1000 + "y" * (64 * 1024 - padding - 2000)
    assert "".join(parse(event_of(value)).values()) == value
    with pytest.raises(PayloadTooLargeError):
        parse(event_of(value + "y"))


@pytest.mark.parametrize("is_base64", [True, False])
def test_body_megabytes_too_large_before_decoding(is_base64: bool) -> None:
    # Invalid base64, so that decoding it would raise the other error.
    with pytest.raises(PayloadTooLargeError):
        from_body(body_event("!" * 10_000_000, is_base64=is_base64))


def test_undecodable_parameters_replacement_character_detected() -> None:
    parameters = {"a": "1", "b": "Zo\N{REPLACEMENT CHARACTER}"}
    assert undecodable_parameters({}, parameters)
    assert not undecodable_parameters({"isBase64Encoded": True}, parameters)
    assert not undecodable_parameters({}, {"a": "1", "b": "Zoë?"})


def test_headers_requested_names_returned_in_any_case() -> None:
    headers = {KEY.upper(): ["1"], "X-Idempotency-Key": ["2"], "Accept": ["4", "5"], "Empty": [""], "Missing": []}
    event = {"multiValueHeaders": headers}
    assert from_headers(event, [KEY]) == {KEY: "1"}
    assert from_headers(event, ["x-idempotency-key", "empty", "missing", KEY]) == {
        "x-idempotency-key": "2",
        "empty": "",
        KEY: "1",
    }
    assert from_headers({"multiValueHeaders": None}, [KEY]) == from_headers({}, [KEY]) == {}


@pytest.mark.parametrize("headers", [{KEY: ["canary", "canary"]}, {KEY.upper(): ["canary"], KEY.lower(): [""]}])
def test_header_given_twice_rejected_without_value(headers: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        from_headers({"multiValueHeaders": headers}, [KEY])
    assert exc_info.value.errors == {KEY: "must be given once"}


@pytest.mark.parametrize(
    ("text", "decoded"), [("a%20b", "a b"), ("%C3%AB", "ë"), ("a+b", "a+b"), ("100%", "100%"), ("%2541", "%41")]
)
def test_path_parameter_percent_encoding_decoded_once(text: str, decoded: str) -> None:
    assert from_path({"pathParameters": {"name": text}}) == {"name": decoded}
    assert from_path({"pathParameters": None}) == from_path({}) == {}


@pytest.mark.parametrize("text", ["%FF", "a%C3", "%ED%A0%80"])
def test_path_parameter_not_utf_8_malformed(text: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_path({"pathParameters": {"good": "1", "name": text}})
