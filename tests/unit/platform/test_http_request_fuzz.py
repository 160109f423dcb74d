import json
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from paynearme.errors import MalformedRequestError, PayloadTooLargeError, ValidationFailedError
from paynearme.platform.http_request import ProxyEvent, from_body, from_json_body, from_query
from paynearme.protocol.signing import sign
from tests.support.api_gateway_events import body_event, bytes_event, form_event, json_event, query_event
from tests.support.hypothesis_strategies import any_text, parameters
from tests.support.message_fixtures import SECRET

type Parse = Callable[[ProxyEvent], Mapping[str, str | None]]


@given(parameters)
def test_parameters_and_signature_unchanged_in_each_transport(sent_parameters: dict[str, str]) -> None:
    events: list[tuple[Parse, ProxyEvent]] = [
        (from_query, query_event(sent_parameters.items())),
        (from_body, form_event(sent_parameters)),
        (from_body, bytes_event(urlencode(sent_parameters, quote_via=quote).encode())),
        (from_body, json_event(sent_parameters)),
        (from_json_body, bytes_event(json.dumps(sent_parameters, ensure_ascii=False).encode())),
    ]
    for parse, event in events:
        assert parse(event) == sent_parameters


def assert_parsed_or_rejected(parse: Parse, event: ProxyEvent) -> None:
    try:
        result = parse(event)
    except (MalformedRequestError, PayloadTooLargeError):
        return
    except ValidationFailedError:
        assert parse is from_json_body
        return
    sign({name: value for name, value in result.items() if value is not None}, SECRET)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(any_text, children, max_size=3),
    max_leaves=8,
).map(json.dumps)


@given(st.binary(max_size=200) | json_like.map(str.encode))
@example(b"")
@example(b"{")
@example(b"%")
def test_body_random_bytes_parsed_or_rejected(body: bytes) -> None:
    assert_parsed_or_rejected(from_body, bytes_event(body))
    assert_parsed_or_rejected(from_json_body, bytes_event(body))


@given(any_text | json_like)
def test_body_random_text_parsed_or_rejected(body: str) -> None:
    assert_parsed_or_rejected(from_body, body_event(body))
    assert_parsed_or_rejected(from_json_body, body_event(body))
    assert_parsed_or_rejected(from_body, body_event(body, is_base64=True))
