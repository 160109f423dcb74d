import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from paynearme.errors import ValidationFailedError, PayloadTooLargeError, MalformedRequestError
from paynearme.parameters import Event, from_body, from_json_body, from_query
from paynearme.signing import sign
from tests.events_of_gateway import body_event, bytes_event, form_event, json_event, query_event
from tests.messages import SECRET
from tests.strategies import any_text, parameters


@given(parameters)
def test_parameters_and_signature_survive_each_transport(sent: dict[str, str]) -> None:
    events: list[tuple[Callable[[Event], dict[str, str]], Event]] = [
        (from_query, query_event(sent.items())),
        (from_body, form_event(sent)),
        (from_body, bytes_event(urlencode(sent, quote_via=quote).encode())),
        (from_body, json_event(sent)),
        (from_json_body, bytes_event(json.dumps(sent, ensure_ascii=False).encode())),
    ]
    for read, event in events:
        assert read(event) == sent
        assert sign(read(event), SECRET) == sign(sent, SECRET)


def assert_read_or_refused(read: Callable[[Event], dict[str, str]], event: Event) -> None:
    try:
        result = read(event)
    except (MalformedRequestError, PayloadTooLargeError):
        return
    except ValidationFailedError:
        assert read is from_json_body
        return
    assert all(isinstance(part, str) for pair in result.items() for part in pair)
    sign(result, SECRET)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
).map(json.dumps)


@given(st.binary(max_size=200) | json_like.map(str.encode))
@example(b"")
@example(b"{")
@example(b"%")
def test_hostile_bytes_are_read_or_refused(body: bytes) -> None:
    assert_read_or_refused(from_body, bytes_event(body))
    assert_read_or_refused(from_json_body, bytes_event(body))


@given(any_text | json_like)
def test_hostile_text_is_read_or_refused(body: str) -> None:
    assert_read_or_refused(from_body, body_event(body))
    assert_read_or_refused(from_json_body, body_event(body))


@given(any_text)
def test_hostile_base64_is_read_or_refused(body: str) -> None:
    assert_read_or_refused(from_body, body_event(body, is_base64=True))


@given(st.lists(st.tuples(any_text, any_text), max_size=4))
def test_a_hostile_query_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    assert_read_or_refused(from_query, query_event(pairs))
