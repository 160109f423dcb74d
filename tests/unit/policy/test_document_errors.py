"""Invalid policy documents and the paths in their errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.errors import PolicyInvalidError
from paynearme.policy import PolicyDocument, read_policy
from tests.support.hypothesis_strategies import any_text
from tests.support.policy_builders import errors_of, full_document, valid_document

type PathPart = str | int


def error_paths(document: Any) -> set[str]:
    """Return the paths of a document's errors."""
    return {error.partition(":")[0] for error in errors_of(json.dumps(document))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1 column 1"),
        ("{", "line 1 column 2"),
        ('{"defaults": {},}', "line 1"),
        ('{\n "defaults": {"unknown_order" "accept"}}', "line 2"),
        ("\ufeff{}", "BOM"),
        ('{"defaults": NaN}', "NaN"),
        ('{"defaults": [Infinity]}', "Infinity"),
        ('{"defaults": -Infinity}', "-Infinity"),
        ('{"defaults": {}, "defaults": {}}', "duplicate names: defaults"),
        ('{"defaults": {"time_zone": "UTC", "time_zone": "UTC"}}', "duplicate names: time_zone"),
        ('{"defaults": {"amounts": {"cash": {}, "cash": {}}}}', "duplicate names: cash"),
        ("[" * 100_000, "recursion"),
        ('{"defaults":' * 100_000, "recursion"),
        ('{"defaults": ' + "1" * 5000 + "}", "digits"),
    ],
    ids=lambda value: value[:30],
)
def test_policy_document_malformed_json_one_error(text: str, expected: str) -> None:
    (error,) = errors_of(text)
    assert error.startswith("invalid JSON: ")
    assert expected in error


@pytest.mark.parametrize("text", ["[]", "null", "1", '"defaults"', "[" * 900 + "]" * 900, '{"\\ud800": 1}'])
def test_policy_document_not_an_object_invalid(text: str) -> None:
    (error,) = errors_of(text)
    assert error.startswith("the document: ")


@pytest.mark.parametrize("defaults", [None, [], "", 1, True])
def test_policy_defaults_not_an_object_invalid(defaults: Any) -> None:
    assert error_paths({"defaults": defaults}) == {"defaults"}


def test_policy_document_without_defaults_invalid() -> None:
    assert error_paths({"sites": {}}) == {"defaults"}


@pytest.mark.parametrize("name", ["unknown_order", "unknown_customer", "time_zone"])
def test_policy_required_field_missing_error_has_path(name: str) -> None:
    document = valid_document()
    del document["defaults"][name]
    assert error_paths(document) == {f"defaults.{name}"}


def test_policy_document_errors_all_reported() -> None:
    document = {"defaults": {"unknown_order": "maybe", "time_zone": "Mars"}, "site": {}}
    expected = {"defaults.unknown_order", "defaults.unknown_customer", "defaults.time_zone", "site"}
    assert error_paths(document) == expected


def test_policy_invalid_error_message_contains_all_errors() -> None:
    with pytest.raises(PolicyInvalidError, match=r"defaults\.unknown_order: .*; defaults\.unknown_customer: "):
        read_policy('{"defaults": {"time_zone": "UTC"}}')


LIMIT = {"window": "day", "amount": "500.00"}
FREQUENCY = {"max_count": 1, "within_days": 30}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"timezone": "UTC"}, "timezone"),
        ({"amounts": {"cash": {"min": "1.00"}}}, "amounts.cash.min"),
        ({"chargebacks": {**FREQUENCY, "days": 30}}, "chargebacks.days"),
        ({"returns": {**FREQUENCY, "days": 30}}, "returns.days"),
        ({"spending_limits": [LIMIT, {**LIMIT, "types": []}]}, "spending_limits.1.types"),
        ({"texts": {"accepted": {"reciept": "x"}}}, "texts.accepted.reciept"),
        ({"version": "1"}, "version"),
        ({"_version": "1"}, "_version"),
    ],
)
def test_policy_unknown_field_invalid_at_each_level(changes: dict[str, Any], path: str) -> None:
    assert error_paths(valid_document(**changes)) == {f"defaults.{path}"}


def test_policy_unknown_field_invalid_in_document_and_site() -> None:
    assert error_paths({**valid_document(), "site": {}}) == {"site"}
    assert error_paths({**valid_document(), "sites": {"S1": {"timezone": "UTC"}}}) == {"sites.S1.timezone"}


@pytest.mark.parametrize("amount", [1, 1.5, True, None, "", "1.001", "1,00", "$1", "+1", "1e2", "NaN", "1" * 13])
def test_policy_amount_not_decimal_string_invalid(amount: Any) -> None:
    (error,) = errors_of(json.dumps(valid_document(spending_limits=[{**LIMIT, "amount": amount}])))
    assert error == "defaults.spending_limits.0.amount: must be an amount like 25.00"


@pytest.mark.parametrize("amount", ["0", "0.00", "-0", "-0.01", "-500.00"])
@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_policy_amount_zero_or_negative_invalid(bound: str, amount: str) -> None:
    for changes, path in (
        ({"amounts": {"cash": {bound: amount}}}, f"amounts.cash.{bound}"),
        ({"spending_limits": [{**LIMIT, "amount": amount}]}, "spending_limits.0.amount"),
    ):
        assert errors_of(json.dumps(valid_document(**changes))) == [f"defaults.{path}: must be greater than zero"]


def test_policy_amount_minimum_above_maximum_invalid() -> None:
    document = valid_document(amounts={"cash": {"minimum": "20.01", "maximum": "20.00"}})
    assert errors_of(json.dumps(document)) == ["defaults.amounts.cash: has a minimum above its maximum"]


@pytest.mark.parametrize("kind", ["chargebacks", "returns"])
@pytest.mark.parametrize("days", [0, -1, 366, 10**30, True, False, 1.5, 30.0, "30", None, [30]])
def test_policy_within_days_not_integer_1_to_365_invalid(kind: str, days: Any) -> None:
    document = valid_document(**{kind: {"max_count": 1, "within_days": days}})
    assert error_paths(document) == {f"defaults.{kind}.within_days"}


@pytest.mark.parametrize("kind", ["chargebacks", "returns"])
@pytest.mark.parametrize("max_count", [-1, True, 1.5, 1.0, "1", None])
def test_policy_max_count_not_natural_integer_invalid(kind: str, max_count: Any) -> None:
    document = valid_document(**{kind: {"max_count": max_count, "within_days": 30}})
    assert error_paths(document) == {f"defaults.{kind}.max_count"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"unknown_order": "yes"}, "unknown_order"),
        ({"unknown_customer": True}, "unknown_customer"),
        ({"currency": "CAD"}, "currency"),
        ({"payment_types": ["cash", "bitcoin"]}, "payment_types.1"),
        ({"payment_types": ["Cash"]}, "payment_types.0"),
        ({"payment_types": "cash"}, "payment_types"),
        ({"payment_types": []}, "payment_types"),
        ({"channels": ["web"]}, "channels.0"),
        ({"channels": []}, "channels"),
        ({"subchannels": ["consumer"]}, "subchannels.0"),
        ({"subchannels": []}, "subchannels"),
        ({"amounts": {"bitcoin": {}}}, "amounts.bitcoin"),
        ({"amounts": {"cash": None}}, "amounts.cash"),
        ({"amounts": []}, "amounts"),
        ({"chargebacks": 1}, "chargebacks"),
        ({"spending_limits": [{**LIMIT, "window": "year"}]}, "spending_limits.0.window"),
        ({"spending_limits": [{"window": "day"}]}, "spending_limits.0.amount"),
        ({"spending_limits": [{**LIMIT, "payment_types": []}]}, "spending_limits.0.payment_types"),
        ({"spending_limits": [{**LIMIT, "payment_types": ["x"]}]}, "spending_limits.0.payment_types.0"),
        ({"spending_limits": LIMIT}, "spending_limits"),
        ({"spending_limits": None}, "spending_limits"),
        ({"texts": {"acepted": {"receipt": "x"}}}, "texts.acepted"),
        ({"texts": {"accepted": "x"}}, "texts.accepted"),
        ({"texts": {"accepted": {"receipt": None}}}, "texts.accepted.receipt"),
        ({"texts": []}, "texts"),
        ({"texts": None}, "texts"),
    ],
)
def test_policy_invalid_value_error_has_path(changes: dict[str, Any], path: str) -> None:
    steps = ["defaults", *path.split(".")]
    assert {tuple(error_path.split(".")[: len(steps)]) for error_path in error_paths(valid_document(**changes))} == {
        tuple(steps)
    }


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus",
        "America",
        "",
        ".",
        "..",
        "../America/New_York",
        "America/../America/New_York",
        "/usr/share/zoneinfo/UTC",
        "/etc/passwd",
        "tzdata.zi",
        "zone.tab",
        "localtime",
        "posixrules",
        "Factory",
        "posix/UTC",
        "right/America/New_York",
        "new york",
        "America/New_York ",
        "America/New_York\n",
        "UTC\x00",
        "\ud800",
        "x" * 5000,
    ],
)
def test_policy_time_zone_not_iana_invalid(name: str) -> None:
    assert errors_of(json.dumps(valid_document(time_zone=name))) == [
        "defaults.time_zone: must be an IANA time zone such as America/New_York"
    ]


@pytest.mark.parametrize("value", [None, [], "S1", 1])
def test_policy_sites_or_site_not_an_object_invalid(value: Any) -> None:
    assert error_paths({**valid_document(), "sites": value}) == {"sites"}
    assert error_paths({**valid_document(), "sites": {"S1": value}}) == {"sites.S1"}


@pytest.mark.parametrize("name", ["", "S 1", "S1\n", "S.1", "S#1", "é", "\u0661", "\ud800", "x" * 65])
def test_policy_site_identifier_invalid(name: str) -> None:
    (error,) = errors_of(json.dumps({**valid_document(), "sites": {name: {}}}))
    assert error.startswith("sites.")


def test_policy_site_error_has_path_of_site() -> None:
    sites = {"S1": {"amounts": {"cash": {"maximum": 500.0}}}, "S2": {}}
    assert error_paths({**valid_document(), "sites": sites}) == {"sites.S1.amounts.cash.maximum"}


@pytest.mark.parametrize(
    ("texts", "site_texts", "paths"),
    [
        ({"accepted": "x"}, {"accepted": {"receipt": "Paid"}}, {"defaults.texts.accepted"}),
        ({"accepted": {"receipt": "Paid"}}, {"accepted": "x"}, {"sites.S1.texts.accepted"}),
        ([], {"accepted": {"receipt": "Paid"}}, {"defaults.texts"}),
        ({}, [], {"sites.S1.texts"}),
        ({}, None, {"sites.S1.texts"}),
    ],
)
def test_policy_texts_merge_error_has_invalid_field_path(texts: Any, site_texts: Any, paths: set[str]) -> None:
    assert error_paths({**valid_document(texts=texts), "sites": {"S1": {"texts": site_texts}}}) == paths


def parse_or_reject(text: str) -> None:
    """Read ``text``. Fails on any exception other than a ``PolicyInvalidError`` with errors."""
    try:
        assert isinstance(read_policy(text), PolicyDocument)
    except PolicyInvalidError as error:
        assert error.errors


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(any_text, children, max_size=3),
    max_leaves=8,
)


@given(any_text | st.text(alphabet='{}[]":,\\ud80 efnaultsNI0.1', max_size=40))
def test_read_policy_any_text_raises_only_policy_error(text: str) -> None:
    parse_or_reject(text)


@given(json_values, st.booleans())
def test_read_policy_any_json_raises_only_policy_error(value: Any, ascii_only: bool) -> None:
    parse_or_reject(json.dumps(value, ensure_ascii=ascii_only))


def paths_of(value: Any, prefix: tuple[PathPart, ...] = ()) -> list[tuple[PathPart, ...]]:
    """Return the paths of all values in a document."""
    children: list[tuple[PathPart, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path for part, child in children for path in [(*prefix, part), *paths_of(child, (*prefix, part))]]


@given(st.sampled_from(paths_of(full_document())), json_values, st.none() | any_text, st.booleans())
def test_read_policy_any_change_raises_only_policy_error(
    path: tuple[PathPart, ...], value: Any, new_name: str | None, ascii_only: bool
) -> None:
    document = full_document()
    container: Any = document
    for part in path[:-1]:
        container = container[part]
    if new_name is not None and isinstance(container, dict):
        container[new_name] = container.pop(path[-1])
    else:
        container[path[-1]] = value
    parse_or_reject(json.dumps(document, ensure_ascii=ascii_only))
