import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from paynearme.errors import MalformedRequestError, PayloadTooLargeError, ValidationFailedError
from paynearme.platform.http_request import ProxyEvent, from_body, from_json_body, from_query, undecodable_parameters
from paynearme.protocol.signing import sign
from tests.support.api_gateway_events import body_event, bytes_event, form_event, json_event, query_event
from tests.support.message_fixtures import SECRET, valid_authorization
from tests.support.samples import load_sample, sample_names


def query(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return from_query(query_event(pairs))


def form(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return from_body(body_event(urlencode(pairs)))


def json_object(pairs: list[tuple[str, str]]) -> dict[str, str]:
    members = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return from_body(body_event("{" + ", ".join(members) + "}"))


for_each_transport = pytest.mark.parametrize("parse", [query, form, json_object])
type Parse = Callable[[list[tuple[str, str]]], dict[str, str]]


@for_each_transport
def test_parameters_unchanged_in_each_transport(parse: Parse) -> None:
    message = valid_authorization(retailer_location_address="7620 S + Us & 1, Port Saint=Lucie, FL 50%")
    assert parse(list(message.items())) == message


@for_each_transport
def test_parameters_blank_values_unchanged(parse: Parse) -> None:
    assert parse([("a", ""), ("b", " ")]) == {"a": "", "b": " "}


@for_each_transport
def test_parameters_non_ascii_text_unchanged(parse: Parse) -> None:
    assert parse([("agent_name", "Zoë 🏦 \u0000")]) == {"agent_name": "Zoë 🏦 \u0000"}


@for_each_transport
def test_parameters_empty_request_has_none(parse: Parse) -> None:
    assert parse([]) == {}


@for_each_transport
@pytest.mark.parametrize("second", ["1", "2", ""])
def test_parameter_name_given_twice_malformed(parse: Parse, second: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse([("a", "1"), ("b", "1"), ("a", second)])


@for_each_transport
@pytest.mark.parametrize(
    "name", ["", "A", "aB", "1a", "_a", "a-b", "a.b", "a b", "a[]", "a\n", "é", "aé", "\u0430", "a\x00", "a٣"]
)
def test_parameter_name_against_pattern_malformed(parse: Parse, name: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse([("a", "1"), (name, "1")])


@for_each_transport
@pytest.mark.parametrize("name", ["a", "a1", "a_", "payment_card_last4"])
def test_parameter_name_of_protocol_parsed(parse: Parse, name: str) -> None:
    assert parse([(name, "1")]) == {name: "1"}


@pytest.mark.parametrize("escaped", ["%61=1&a=2", '{"a": "1", "\\u0061": "2"}', '{"a": "1", "a": null}'])
def test_parameter_name_escaped_and_given_twice_malformed(escaped: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(escaped))


@pytest.mark.parametrize("text", ["500", "500.00", "0.10", "1e2", "1E+2", "-0", "-1.50", "9" * 5000, "true", "false"])
def test_json_numbers_and_booleans_keep_spelling_and_signature(text: str) -> None:
    parsed = from_body(body_event(f'{{"payment_amount": {text}, "version": "3.0"}}'))
    assert parsed == {"payment_amount": text, "version": "3.0"}
    assert sign(parsed, SECRET) == sign({"version": "3.0", "payment_amount": text}, SECRET)


def test_json_null_parameter_absent() -> None:
    assert from_body(body_event('{"a": null, "b": "1"}')) == {"b": "1"}


@pytest.mark.parametrize("kind", ["authorization", "confirmation"])
def test_sample_messages_parsed_alike_in_each_transport(kind: str) -> None:
    for name in sample_names(kind):
        parsed = from_body(json_event(load_sample(kind, name)))
        assert len(parsed) == len(load_sample(kind, name))
        assert from_query(query_event(parsed.items())) == from_body(form_event(parsed)) == parsed


@pytest.mark.parametrize("body", [b"a=Zo\xc3\xab&b=%C3%AB", '{"a": "Zoë", "b": "\\u00eb"}'.encode()])
def test_body_utf_8_and_escapes_parsed_alike_in_base64(body: bytes) -> None:
    expected = {"a": "Zoë", "b": "ë"}
    assert from_body(bytes_event(body)) == from_body(body_event(body.decode())) == expected


def test_json_surrogate_pair_is_one_character() -> None:
    assert from_body(body_event('{"a": "\\ud83c\\udfe6"}')) == {"a": "🏦"}


def test_json_leading_white_space_parsed() -> None:
    assert from_body(body_event('\r\n\t {"a": "1"}')) == {"a": "1"}


@pytest.mark.parametrize("body", [None, ""])
@pytest.mark.parametrize("is_base64", [True, False])
def test_form_empty_body_no_parameters_and_malformed_json(body: str | None, is_base64: bool) -> None:
    assert from_body(body_event(body, is_base64=is_base64)) == {}
    with pytest.raises(MalformedRequestError):
        from_json_body(body_event(body, is_base64=is_base64))


def test_form_body_as_json_malformed() -> None:
    for body in ("a=1", "true", "null"):
        with pytest.raises(MalformedRequestError):
            from_json_body(body_event(body))
    assert from_json_body(body_event('{"a": "1"}')) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        *("[]", '[{"a": "1"}]', '"a"', "1"),
        *("{", '{"a"}', '{"a": "1",}', '{"a": "1"} {}', "{'a': '1'}", '{"a": 01}', '{"a": "\n"}'),
        '\ufeff{"a": "1"}',
        *('{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}'),
        *('{"a": "\\ud800"}', '{"a": "\\udfe6\\ud83c"}'),
        *('{"a": ' + "[" * 60_000, '{"a":' * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000),
    ],
    ids=lambda body: body[:24],
)
def test_json_body_invalid_or_not_object_malformed(body: str) -> None:
    for parse in (from_body, from_json_body):
        with pytest.raises(MalformedRequestError):
            parse(body_event(body))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        *(('{"a": {}}', "a"), ('{"a": {"b": "1"}}', "a"), ('{"a": []}', "a"), ('{"a": ["1"]}', "a")),
        *(('{"Upper": "1"}', "Upper"), ('{"a-b": null}', "a-b"), ('{"\\ud800": "1"}', "(unprintable)")),
        ('{"' + "x" * 65 + '-": "1"}', "x" * 64),
    ],
)
def test_json_invalid_parameter_malformed_or_validation_error(body: str, name: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body))
    with pytest.raises(ValidationFailedError) as exc_info:
        from_json_body(body_event(body))
    assert set(exc_info.value.errors) == {name}


@pytest.mark.parametrize(
    "body",
    [
        *(b"a=\xff", b"a=\xc3", b"\xff=1", b'{"a": "\xff"}', b"\xff\xfe{"),
        *(b"a=%FF", b"a=%C3", b"%FF=1", b"a=%ED%A0%80"),
    ],
)
def test_body_not_utf_8_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(bytes_event(body))


@pytest.mark.parametrize("body", ["a=\ud800", '{"a": "\ud800"}'])
def test_body_lone_surrogate_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body))


def test_query_value_lone_surrogate_malformed() -> None:
    with pytest.raises(MalformedRequestError):
        query([("a", "\ud800")])


def test_query_name_lone_surrogate_malformed() -> None:
    with pytest.raises(MalformedRequestError):
        query([("\ud800", "1")])


@pytest.mark.parametrize("body", ["YT0", "YT0x=", "Y T0x", "YT0x\n", "YT0-", "a=1", "=", "YT0x" * 3 + "!"])
def test_base64_invalid_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body, is_base64=True))


@pytest.mark.parametrize("body", ["YT0xé", "\ud800"])
def test_base64_non_ascii_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_body(body_event(body, is_base64=True))


def query_of_length(value: str) -> ProxyEvent:
    return query_event([("a", value[:5]), ("bc", value[5:])])


@pytest.mark.parametrize(
    ("event_of", "padding", "parse"),
    [
        (query_of_length, 3, from_query),
        (lambda value: body_event("a=" + value), 2, from_body),
        (lambda value: bytes_event(b"a=" + value.encode()), 2, from_body),
        (lambda value: body_event('{"a":"' + value + '"}'), 8, from_body),
        (lambda value: bytes_event(b'{"a":"' + value.encode() + b'"}'), 8, from_json_body),
    ],
    ids=["query", "form", "form in base64", "JSON", "JSON in base64"],
)
@pytest.mark.parametrize("character", ["x", "é"])
def test_request_64_kib_parsed_one_byte_more_too_large(
    event_of: Callable[[str], ProxyEvent], padding: int, parse: Callable[[ProxyEvent], dict[str, str]], character: str
) -> None:
    max_count = 64 * 1024 - padding
    value = character * (max_count // len(character.encode()))
    value += "y" * (max_count - len(value.encode()))
    assert "".join(parse(event_of(value)).values()) == value
    with pytest.raises(PayloadTooLargeError):
        parse(event_of(value + "y"))


@pytest.mark.parametrize("is_base64", [True, False])
def test_body_megabytes_too_large_before_decoding(is_base64: bool) -> None:
    # Invalid base64, so that decoding it would raise the other error.
    with pytest.raises(PayloadTooLargeError):
        from_body(body_event("!" * 10_000_000, is_base64=is_base64))


def test_undecodable_parameters_replacement_character_detected() -> None:
    assert undecodable_parameters({}, {"a": "1", "b": "Zo\N{REPLACEMENT CHARACTER}"})
    assert not undecodable_parameters({}, {"a": "1", "b": "Zoë?"})


def test_undecodable_parameters_base64_body_has_none() -> None:
    assert not undecodable_parameters({"isBase64Encoded": True}, {"a": "\N{REPLACEMENT CHARACTER}"})


@pytest.mark.parametrize("parse", [from_body, from_json_body])
def test_malformed_request_error_contains_no_body(parse: Callable[[ProxyEvent], Any]) -> None:
    with pytest.raises(MalformedRequestError) as exc_info:
        parse(body_event('{"a": "canary", "a": "canary"'))
    assert "canary" not in repr(exc_info.value)
