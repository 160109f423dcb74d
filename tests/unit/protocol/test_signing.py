from collections import UserDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paynearme.errors import SignatureError
from paynearme.protocol.signing import UNSIGNED, major_version, sign, string_to_sign, verify
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
    verify(EXAMPLE, EXAMPLE_SIGNATURE, [SECRET])
    verify_example(params=UserDict(EXAMPLE))


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


def test_verify_ignores_only_unsigned_parameters() -> None:
    assert {"signature", "format", "call", "action", "fp", "print_buttons", "datafile"} == UNSIGNED
    verify_example(params=EXAMPLE | dict.fromkeys(UNSIGNED, "anything"))


def test_string_to_sign_names_sorted_by_bytes() -> None:
    # A locale's order has "_" and digits at other positions. An empty value keeps its name.
    assert string_to_sign({"a_b": "1", "ab": "", "a1": "3", "a": "4"}) == "a4a13a_b1ab"


def test_sign_text_encoded_as_utf_8() -> None:
    # printf 'nameZo\xc3\xab' | openssl dgst -sha256 -hmac s3cret
    assert sign({"name": "Zoë"}, "s3cret") == ("861a7ebb1824d48fb17f0f9bbdb70855f5d98ad41cd0136e6466628f6b63d255")


@pytest.mark.parametrize("secrets", [[SECRET, "old"], ("new", "newer", SECRET)])
def test_verify_any_of_several_keys_valid(secrets: Sequence[str]) -> None:
    verify_example(secrets=secrets)


def test_verify_without_matching_key_rejected() -> None:
    with pytest.raises(SignatureError):
        verify_example(secrets=["new", "old"])


@pytest.mark.parametrize("secrets", [[""], [SECRET, ""], ["", SECRET]])
def test_verify_empty_key_rejected_despite_valid_key(secrets: list[str]) -> None:
    with pytest.raises(SignatureError):
        verify_example(secrets=secrets)
    with pytest.raises(SignatureError):
        sign(EXAMPLE, "")


@pytest.mark.parametrize("secrets", ["k", b"k", bytearray(b"k"), memoryview(b"k")])
def test_verify_keys_as_single_text_rejected(secrets: Any) -> None:
    with pytest.raises(SignatureError):
        verify({"a": "1"}, sign({"a": "1"}, "k"), secrets)


class MappingThatRaises(Mapping[str, str]):
    def __getitem__(self, name: str) -> str:
        raise LookupError

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


INVALID_ARGUMENTS: dict[str, Sequence[Any]] = {
    "params": (
        *(None, "a=1", [("a", "1")], {"a"}, {}, MappingThatRaises()),
        *({"a": value} for value in (None, 1, True, b"1", ["1"], "\ud800")),
        *({None: "1"}, {1: "1"}, {"\ud800": "1"}, {"a": "1", 1: "1"}, {**EXAMPLE, "signature": None}),
    ),
    "signature": (
        *(None, 1, EXAMPLE_SIGNATURE.encode(), [EXAMPLE_SIGNATURE], "", "é", "\ud800", "0" * 64),
        *(EXAMPLE_SIGNATURE[:-1], EXAMPLE_SIGNATURE + "\n", EXAMPLE_SIGNATURE.upper(), f" {EXAMPLE_SIGNATURE}"),
    ),
    "secrets": (
        *(None, 1, [], (), {SECRET}, {SECRET: SECRET}, SECRET, SECRET.encode()),
        *([SECRET, secret] for secret in (None, 1, b"k", [SECRET], "\ud800")),
    ),
    "version": (None, 3.0, "", "3.", "3.000", "2", "2.1", "1.0", "3.0 ", "3.0\n", "3.٣", ["3.0"]),
}


@pytest.mark.parametrize(
    ("argument", "invalid"),
    [(name, value) for name, values in INVALID_ARGUMENTS.items() for value in values],
    ids=lambda part: f"{part!r:.40}".partition(" object at ")[0],
)
def test_verify_invalid_argument_raises_signature_error(argument: str, invalid: Any) -> None:
    with pytest.raises(SignatureError):
        verify_example(**{argument: invalid})


@pytest.mark.parametrize("change", [{"signature": "0" * 64}, {"params": {"a": SECRET}}, {"secrets": []}])
def test_signature_error_without_key_and_signature(change: dict[str, Any]) -> None:
    with pytest.raises(SignatureError) as exc_info:
        verify_example(**change)
    assert SECRET not in repr(exc_info.value)
    assert EXAMPLE_SIGNATURE not in repr(exc_info.value)


@given(parameters, st.sampled_from(["2.0", "3.0"]))
def test_verify_signed_parameters_valid(params: dict[str, str], version: str) -> None:
    verify(params, sign(params, SECRET, version), [SECRET], version)


@pytest.mark.parametrize(("version", "major"), [("2.0", "2"), ("3", "3"), ("3.0", "3"), ("3.1", "3"), ("3.12", "3")])
def test_version_of_same_major_has_same_signature(version: str, major: str) -> None:
    assert major_version(version) == major
    assert sign(EXAMPLE, SECRET, version) == sign(EXAMPLE, SECRET, f"{major}.0")


def assert_signature_changes(original: dict[str, str], changed: dict[str, str]) -> None:
    assert string_to_sign(changed) != string_to_sign(original)
    for version in ("3.0", "2.0"):
        with pytest.raises(SignatureError):
            verify(changed, sign(original, SECRET, version), [SECRET], version)


@given(parameters, signed_names, values, st.data())
def test_signature_changed_parameters_rejected(
    params: dict[str, str], name: str, value: str, data: st.DataObject
) -> None:
    changed_name = data.draw(st.sampled_from(sorted(params)))
    assume(name not in params and value != params[changed_name])
    removed = {n: v for n, v in params.items() if n != changed_name}
    renamed = {**removed, name: params[changed_name]}
    assert_signature_changes(params, removed)
    assert_signature_changes(params, {**params, changed_name: value})
    assert_signature_changes(params, {**params, name: value})
    # Without separators, a few messages have one text: {"abb": "", "ba": "bb"} and {"ab": "bb", "abb": ""}.
    if string_to_sign(renamed) != string_to_sign(params):
        assert_signature_changes(params, renamed)


any_value = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=8), any_text, st.lists(any_text)),
    st.dictionaries(any_text | st.integers(), any_text | st.integers() | st.lists(any_text), max_size=3),
)


@given(any_value, any_value, any_value, any_value | st.sampled_from(["2.0", "3.0"]))
def test_verify_any_input_raises_only_signature_error(params: Any, signature: Any, secrets: Any, version: Any) -> None:
    with pytest.raises(SignatureError):
        verify(params, signature, secrets, version)
