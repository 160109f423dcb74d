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
LIMIT = {"window": "day", "amount": "500.00"}
FREQUENCY = {"max_count": 1, "within_days": 30}


def error_paths(document: Any) -> set[str]:
    """Return the paths of a document's errors."""
    return {error.partition(":")[0] for error in errors_of(json.dumps(document))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1 column 1"),
        ('{\n "defaults": {"unknown_order" "accept"}}', "line 2"),
        ('{"defaults": NaN}', "NaN"),
        ('{"defaults": [-Infinity]}', "-Infinity"),
        ('{"defaults": {}, "sites": {}, "sites": {}}', "duplicate names: sites"),
        ('{"defaults": {"amounts": {"cash": {}, "cash": {}}}}', "duplicate names: cash"),
        ("[" * 100_000, "recursion"),
        ('{"defaults": ' + "1" * 5000 + "}", "digits"),
    ],
    ids=lambda value: value[:30],
)
def test_policy_document_malformed_json_one_error(text: str, expected: str) -> None:
    (error,) = errors_of(text)
    assert error.startswith("invalid JSON: ")
    assert expected in error


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"sites": {}}, {"defaults"}),
        ({"defaults": None}, {"defaults"}),
        ({"defaults": []}, {"defaults"}),
        *(([], {"the document"}), (None, {"the document"}), ({"\ud800": 1}, {"the document"})),
        *(({**valid_document(), "sites": None}, {"sites"}), ({**valid_document(), "sites": []}, {"sites"})),
        ({**valid_document(), "sites": {"S1": None, "S2": []}}, {"sites.S1", "sites.S2"}),
        ({"defaults": {"time_zone": "UTC"}}, {"defaults.unknown_order", "defaults.unknown_customer"}),
        (
            {"defaults": {"unknown_order": "maybe", "unknown_customer": "accept"}, "site": {}},
            {"defaults.unknown_order", "defaults.time_zone", "site"},
        ),
        ({**valid_document(), "sites": {"S1": {"timezone": "UTC"}}}, {"sites.S1.timezone"}),
        (
            {**valid_document(), "sites": {"S1": {"amounts": {"cash": {"maximum": 500.0}}}, "S2": {}}},
            {"sites.S1.amounts.cash.maximum"},
        ),
        # A site does not repeat the errors that it inherits.
        (
            {**valid_document(time_zone="Mars"), "sites": {"S1": {}, "S2": {"currency": "CAD"}}},
            {"defaults.time_zone", "sites.S2.currency"},
        ),
    ],
)
def test_policy_document_errors_all_reported_once(document: Any, paths: set[str]) -> None:
    assert error_paths(document) == paths


def test_policy_deferred_site_only_requested_validated() -> None:
    sites = {"S1": {"currency": "CAD"}, "S2": {"time_zone": "UTC"}, "S3": None}
    document = read_policy(json.dumps({**valid_document(), "sites": sites}), defer_sites=True)
    assert document.for_site("S2").time_zone == "UTC"
    for site, path in (("S1", "sites.S1.currency"), ("S3", "sites.S3")):
        with pytest.raises(PolicyInvalidError) as raised:
            document.for_site(site)
        assert [error.partition(":")[0] for error in raised.value.errors] == [path]
    for invalid in ({**valid_document(currency="CAD"), "sites": {}}, {**valid_document(), "sites": []}):
        with pytest.raises(PolicyInvalidError):
            read_policy(json.dumps(invalid), defer_sites=True)


@pytest.mark.parametrize("amount", [1, 1.5, None, "", "1.001", "1,00", "+1", "1e2", "NaN", "1" * 13])
def test_policy_amount_not_decimal_string_invalid(amount: Any) -> None:
    (error,) = errors_of(json.dumps(valid_document(spending_limits=[{**LIMIT, "amount": amount}])))
    assert error == "defaults.spending_limits.0.amount: must be an amount like 25.00"


@pytest.mark.parametrize(
    ("amounts", "error"),
    [
        ({"minimum": "0.00"}, ".minimum: must be greater than zero"),
        ({"maximum": "-0.01"}, ".maximum: must be greater than zero"),
        ({"minimum": "20.01", "maximum": "20.00"}, ": has a minimum above its maximum"),
    ],
)
def test_policy_amount_bounds_not_positive_or_reversed(amounts: dict[str, str], error: str) -> None:
    assert errors_of(json.dumps(valid_document(amounts={"cash": amounts}))) == [f"defaults.amounts.cash{error}"]


@pytest.mark.parametrize("kind", ["chargebacks", "returns"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("within_days", value) for value in (0, 366, 10**30, True, 30.0, "30", None)),
        *(("max_count", value) for value in (-1, True, 1.0, "1", None)),
        ("days", 30),
    ],
)
def test_policy_frequency_not_integer_within_bounds_invalid(kind: str, name: str, value: Any) -> None:
    assert error_paths(valid_document(**{kind: {**FREQUENCY, name: value}})) == {f"defaults.{kind}.{name}"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"timezone": "UTC"}, "timezone"),
        ({"pause_payments": "true"}, "pause_payments"),
        ({"pause_payments": 1}, "pause_payments"),
        ({"pause_payments": None}, "pause_payments"),
        ({"_version": "1"}, "_version"),
        ({"unknown_order": "yes"}, "unknown_order"),
        ({"unknown_customer": True}, "unknown_customer"),
        ({"currency": "CAD"}, "currency"),
        ({"payment_types": ["cash", "bitcoin"]}, "payment_types.1"),
        ({"payment_types": ["Cash"]}, "payment_types.0"),
        ({"payment_types": [1]}, "payment_types.0"),
        ({"payment_types": []}, "payment_types"),
        ({"channels": ["web"]}, "channels.0"),
        ({"channels": []}, "channels"),
        ({"subchannels": ["consumer"]}, "subchannels.0"),
        ({"subchannels": []}, "subchannels"),
        ({"amounts": {"bitcoin": {}}}, "amounts.bitcoin"),
        ({"amounts": {"cash": {"min": "1.00"}}}, "amounts.cash.min"),
        ({"chargebacks": 1}, "chargebacks"),
        ({"spending_limits": [LIMIT, {**LIMIT, "types": []}]}, "spending_limits.1.types"),
        ({"spending_limits": [{**LIMIT, "amount": "0"}]}, "spending_limits.0.amount"),
        ({"spending_limits": [{**LIMIT, "window": "year"}]}, "spending_limits.0.window"),
        ({"spending_limits": [{**LIMIT, "payment_types": []}]}, "spending_limits.0.payment_types"),
        ({"spending_limits": [{**LIMIT, "payment_types": ["x"]}]}, "spending_limits.0.payment_types.0"),
        ({"spending_limits": None}, "spending_limits"),
        ({"texts": {"acepted": {"receipt": "x"}}}, "texts.acepted"),
        ({"texts": {"accepted": "x"}}, "texts.accepted"),
        ({"texts": {"accepted": {"reciept": "x"}}}, "texts.accepted.reciept"),
        ({"texts": []}, "texts"),
        ({"texts": None}, "texts"),
    ],
    ids=str,
)
def test_policy_invalid_value_error_has_path(changes: dict[str, Any], path: str) -> None:
    errors = error_paths(valid_document(**changes))
    assert errors
    assert all(f"{error}.".startswith(f"defaults.{path}.") for error in errors)


@pytest.mark.parametrize(
    "name",
    [
        *("Mars/Olympus", "America", "", "..", "America/../America/New_York", "/etc/passwd", "tzdata.zi", "zone.tab"),
        *("localtime", "posixrules", "Factory", "posix/UTC", "right/America/New_York"),
        *("new york", "America/New_York\n", "UTC\x00", "\ud800", "x" * 5000),
    ],
    ids=lambda name: repr(name)[:30],
)
def test_policy_time_zone_not_iana_invalid(name: str) -> None:
    expected = "defaults.time_zone: must be an IANA time zone such as America/New_York"
    assert errors_of(json.dumps(valid_document(time_zone=name))) == [expected]


@pytest.mark.parametrize("name", ["", "S 1", "S1\n", "S.1", "\u0661", "\ud800", "x" * 65])
def test_policy_site_identifier_invalid(name: str) -> None:
    (error,) = errors_of(json.dumps({**valid_document(), "sites": {name: {}}}))
    assert error.startswith("sites.")


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


def paths_of(value: Any, prefix: tuple[PathPart, ...] = ()) -> list[tuple[PathPart, ...]]:
    """Return the paths of all values in a document."""
    children: list[tuple[PathPart, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path for part, child in children for path in [(*prefix, part), *paths_of(child, (*prefix, part))]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(any_text, children, max_size=3),
    max_leaves=8,
)


@given(any_text | st.text(alphabet='{}[]":,\\ud80 efnaultsNI0.1', max_size=40) | json_values.map(json.dumps))
def test_read_policy_any_text_raises_only_policy_error(text: str) -> None:
    parse_or_reject(text)


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
