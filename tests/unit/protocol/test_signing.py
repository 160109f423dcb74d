from collections import UserDict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NoReturn

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paynearme.errors import SignatureError
from paynearme.protocol.signing import UNSIGNED, sign, string_to_sign, verify
from tests.support.hypothesis_strategies import any_text, parameters, signed_names, values
from tests.support.message_fixtures import SECRET

# The example of PayNearMe docs, get_smart_token.
EXAMPLE = {
    "version": "3.0",
    "timestamp": "1636142061",
    "site_identifier": "S2155373459",
    "site_customer_identifier": "11223344",
    "order_type": "any",
    "order_is_standing": "true",
    "order_currency": "USD",
    "order_amount": "500",
}
EXAMPLE_TEXT = (
    "order_amount500order_currencyUSDorder_is_standingtrueorder_typeany"
    "site_customer_identifier11223344site_identifierS2155373459timestamp1636142061version3.0"
)
EXAMPLE_SIGNATURE = "65c694f4b632187aa02fc4144cdd374373307f0a200448c9e53f2e47d84b3b82"


def verify_example(**changes: Any) -> None:
    arguments = {"params": EXAMPLE, "signature": EXAMPLE_SIGNATURE, "secrets": [SECRET], "version": "3.0"}
    verify(**{**arguments, **changes})


def test_sign_documented_example_text_and_signature() -> None:
    assert string_to_sign(EXAMPLE) == EXAMPLE_TEXT
    assert sign(EXAMPLE, SECRET) == EXAMPLE_SIGNATURE
    verify_example()


def test_sign_version_2_md5_of_text_and_key() -> None:
    # printf 'a1b2version2.0s3cret' | md5sum
    signature = "ab2fcbc530878ef887ad38e734068ef9"
    params = {"version": "2.0", "b": "2", "a": "1"}
    assert sign(params, "s3cret", "2.0") == signature
    verify(params, signature, ["s3cret"], "2.0")


def test_verify_signature_of_other_version_rejected() -> None:
    with pytest.raises(SignatureError):
        verify_example(version="2.0")
    with pytest.raises(SignatureError):
        verify_example(signature=sign(EXAMPLE, SECRET, "2.0"))


@pytest.mark.parametrize("name", sorted(UNSIGNED))
def test_verify_ignores_unsigned_parameters(name: str) -> None:
    verify_example(params={**EXAMPLE, name: "anything"})


def test_unsigned_parameters_match_protocol() -> None:
    expected = {"signature", "format", "call", "action", "fp", "print_buttons", "datafile"}
    assert expected == UNSIGNED


def test_string_to_sign_names_sorted_by_bytes() -> None:
    # A locale's order has "_" and digits at other positions.
    assert string_to_sign({"a_b": "1", "ab": "2", "a1": "3", "a": "4"}) == "a4a13a_b1ab2"


def test_string_to_sign_empty_value_keeps_name() -> None:
    assert string_to_sign({"b": "", "a": ""}) == "ab"


def test_sign_text_encoded_as_utf_8() -> None:
    # printf 'nameZo\xc3\xab' | openssl dgst -sha256 -hmac s3cret
    assert sign({"name": "Zoë"}, "s3cret") == ("861a7ebb1824d48fb17f0f9bbdb70855f5d98ad41cd0136e6466628f6b63d255")


@pytest.mark.parametrize("secrets", [[SECRET, "old"], ["new", SECRET], ("new", "newer", SECRET)])
def test_verify_any_of_several_keys_valid(secrets: Sequence[str]) -> None:
    verify_example(secrets=secrets)


def test_verify_without_matching_key_rejected() -> None:
    with pytest.raises(SignatureError):
        verify_example(secrets=["new", "old"])


@pytest.mark.parametrize("secrets", [[""], [SECRET, ""], ["", SECRET]])
def test_verify_empty_key_rejected_despite_valid_key(secrets: list[str]) -> None:
    with pytest.raises(SignatureError):
        verify_example(secrets=secrets)


def test_sign_empty_key_raises_signature_error() -> None:
    with pytest.raises(SignatureError):
        sign(EXAMPLE, "")


@pytest.mark.parametrize("secrets", ["k", b"k", bytearray(b"k"), memoryview(b"k")])
def test_verify_keys_as_single_text_rejected(secrets: Any) -> None:
    with pytest.raises(SignatureError):
        verify({"a": "1"}, sign({"a": "1"}, "k"), secrets)


INVALID_ARGUMENTS: dict[str, Sequence[Any]] = {
    "params": (
        *(None, 1, "a=1", b"a=1", [], [("a", "1")], {"a"}, {}),
        *({"a": value} for value in (None, 1, 1.0, True, b"1", ["1"], {"b": "1"}, "\ud800")),
        *({None: "1"}, {1: "1"}, {b"a": "1"}, {("a",): "1"}, {"\ud800": "1"}, {"a": "1", 1: "1"}),
        *({**EXAMPLE, "signature": None}, {**EXAMPLE, "signature": ["1"]}, {**EXAMPLE, "a": 1}),
    ),
    "signature": (
        *(None, 1, b"", EXAMPLE_SIGNATURE.encode(), [EXAMPLE_SIGNATURE]),
        *("", "é", "\ud800", "\x00", "0" * 64, EXAMPLE_SIGNATURE[:-1], EXAMPLE_SIGNATURE + "\n"),
        *(EXAMPLE_SIGNATURE.upper(), f" {EXAMPLE_SIGNATURE}"),
    ),
    "secrets": (
        *(None, 1, [], (), {}, {SECRET}, {SECRET: SECRET}, {SECRET: 1}.keys(), SECRET, SECRET.encode()),
        *([SECRET, secret] for secret in (None, 1, b"k", bytearray(b"k"), [SECRET], "\ud800")),
    ),
    "version": (None, 3.0, 3, b"3.0", "", "3", "3.00", "1.0", "3.0 ", ["3.0"], {}),
}


@pytest.mark.parametrize(
    ("argument", "invalid"),
    [(name, value) for name, values in INVALID_ARGUMENTS.items() for value in values],
    ids=lambda part: f"{part!r:.40}",
)
def test_verify_invalid_argument_raises_signature_error(argument: str, invalid: Any) -> None:
    with pytest.raises(SignatureError):
        verify_example(**{argument: invalid})


class MappingThatRaises(Mapping[str, str]):
    def __getitem__(self, name: str) -> str:
        raise LookupError

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


class SequenceThatRaises(Sequence[str]):
    def __getitem__(self, index: Any) -> NoReturn:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


class NeverEqual:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment] # it raises on comparison, so it needs no hash


@pytest.mark.parametrize(
    "change",
    [{"params": MappingThatRaises()}, {"secrets": SequenceThatRaises()}, {"version": NeverEqual()}],
    ids=["params", "secrets", "version"],
)
def test_verify_raising_object_raises_signature_error(change: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        verify_example(**change)


def test_verify_parameters_of_any_mapping_type_valid() -> None:
    verify_example(params=UserDict(EXAMPLE))


def test_verify_arguments_unchanged() -> None:
    params, secrets = {**EXAMPLE, "signature": "x", "call": "y"}, ["new", SECRET]
    original = deepcopy((params, secrets))
    verify_example(params=params, secrets=secrets)
    assert (params, secrets) == original
    assert list(params) == list(original[0])


@pytest.mark.parametrize("change", [{"signature": "0" * 64}, {"params": {"a": SECRET}}, {"secrets": []}])
def test_signature_error_without_key_and_signature(change: dict[str, Any]) -> None:
    with pytest.raises(SignatureError) as exc_info:
        verify_example(**change)
    assert SECRET not in repr(exc_info.value)
    assert EXAMPLE_SIGNATURE not in repr(exc_info.value)


def assert_signature_changes(original: dict[str, str], changed: dict[str, str]) -> None:
    assert string_to_sign(changed) != string_to_sign(original)
    for version in ("3.0", "2.0"):
        with pytest.raises(SignatureError):
            verify(changed, sign(original, SECRET, version), [SECRET], version)


@given(parameters, st.sampled_from(["2.0", "3.0"]))
def test_verify_signed_parameters_valid(params: dict[str, str], version: str) -> None:
    verify(params, sign(params, SECRET, version), [SECRET], version)


@given(parameters, values, st.data())
def test_signature_changed_value_rejected(params: dict[str, str], value: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(params)))
    assume(value != params[name])
    assert_signature_changes(params, {**params, name: value})


@given(parameters, st.data())
def test_signature_removed_parameter_rejected(params: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(params)))
    assert_signature_changes(params, {n: v for n, v in params.items() if n != name})


@given(parameters, signed_names, values)
def test_signature_added_parameter_rejected(params: dict[str, str], name: str, value: str) -> None:
    assume(name not in params)
    assert_signature_changes(params, {**params, name: value})


@given(parameters, signed_names, st.data())
def test_signature_renamed_parameter_rejected(params: dict[str, str], name: str, data: st.DataObject) -> None:
    assume(name not in params)
    old_name = data.draw(st.sampled_from(sorted(params)))
    changed = {name if n == old_name else n: v for n, v in params.items()}
    # Without separators, a few messages have one text: {"abb": "", "ba": "bb"} and {"ab": "bb", "abb": ""}.
    assume(string_to_sign(changed) != string_to_sign(params))
    assert_signature_changes(params, changed)


any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=8) | any_text,
    lambda children: (
        st.lists(children, max_size=3)
        | st.lists(children, max_size=3).map(tuple)
        | st.dictionaries(any_text | st.integers() | st.none(), children, max_size=3)
    ),
    max_leaves=6,
)


@given(any_value, any_value, any_value, any_value | st.sampled_from(["2.0", "3.0"]))
def test_verify_any_input_raises_only_signature_error(params: Any, signature: Any, secrets: Any, version: Any) -> None:
    with pytest.raises(SignatureError):
        verify(params, signature, secrets, version)
