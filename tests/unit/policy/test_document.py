"""Valid policy documents and the policies of their sites. ``test_document_errors`` has the invalid ones."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from paynearme.policy import DEFAULT_TEXTS, Reason, SitePolicy, WindowKind, read_policy
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel
from tests.support.policy_builders import full_document, parse_document, policy, valid_document

SITE = "S2155373459"


def site_policy(site_fields: dict[str, Any], **defaults: Any) -> SitePolicy:
    """Return the policy of a site with its own entry in the document."""
    return parse_document({**valid_document(**defaults), "sites": {SITE: site_fields}}).for_site(SITE)


def names_in(names: Iterable[str] | None) -> list[str]:
    """Return the names in a list of the policy, sorted. Fails if the list is missing."""
    assert names is not None
    return sorted(map(str, names))


def test_policy_required_fields_only_has_defaults() -> None:
    minimal = policy()
    assert (minimal.unknown_order, minimal.unknown_customer) == ("accept", "accept")
    assert minimal.zone == ZoneInfo("America/New_York")
    assert minimal.currency == "USD"
    assert minimal.payment_types is minimal.channels is minimal.subchannels is None
    assert minimal.chargebacks is minimal.returns is None
    assert not minimal.amounts
    assert not minimal.spending_limits
    assert minimal.texts == DEFAULT_TEXTS


def test_policy_document_all_fields_parsed() -> None:
    defaults = parse_document(full_document()).defaults
    assert names_in(defaults.payment_types) == ["cash", "credit", "none", "other"]
    assert names_in(defaults.channels) == ["consumer", "consumer_recurring", "none", "other"]
    assert names_in(defaults.subchannels) == ["none", "other", "scheduled_one_time"]
    cash, credit, other = (
        defaults.amounts[PaymentType.CASH],
        defaults.amounts[PaymentType.CREDIT],
        defaults.amounts["other"],
    )
    assert (cash.minimum, cash.maximum) == (Decimal("20.00"), Decimal("500.00"))
    assert (credit.minimum, credit.maximum) == (Decimal("10.00"), None)
    assert (other.minimum, other.maximum) == (None, None)
    assert defaults.chargebacks is not None
    assert (defaults.chargebacks.max_count, defaults.chargebacks.within_days) == (1, 90)
    assert defaults.returns is not None
    assert (defaults.returns.max_count, defaults.returns.within_days) == (2, 365)
    day, week = defaults.spending_limits
    assert (day.window, day.amount, day.payment_types) == (WindowKind.DAY, Decimal("500.00"), None)
    assert (week.window, week.amount) == (WindowKind.WEEK, Decimal("1000.50"))
    assert names_in(week.payment_types) == ["cash", "none"]
    assert defaults.text(Reason.ACCEPTED).receipt == "Paid {payment_amount}<br><pnm_fee />"


def test_policy_accepts_all_documented_types_and_channels() -> None:
    types, channels, subchannels = (
        sorted([*kind, "none", "other"]) for kind in (PaymentType, SiteChannel, SiteSubchannel)
    )
    complete = policy(
        payment_types=types,
        channels=channels,
        subchannels=subchannels,
        amounts={name: {"minimum": "1.00"} for name in types},
    )
    assert names_in(complete.payment_types) == names_in(complete.amounts) == types
    assert names_in(complete.channels) == channels
    assert names_in(complete.subchannels) == subchannels


@pytest.mark.parametrize(
    "changes",
    [
        {"chargebacks": {"max_count": 0, "within_days": 1}},
        {"returns": {"max_count": 0, "within_days": 365}},
        {"amounts": {"cash": {"minimum": "0.01", "maximum": "999999999999.99"}}},
        {"amounts": {"cash": {"minimum": "20.00", "maximum": "20"}}},
        {"spending_limits": [{"window": "month", "amount": "0.01"}]},
        {"spending_limits": []},
        {"unknown_order": "decline", "unknown_customer": "decline"},
    ],
)
def test_policy_values_at_bounds_valid(changes: dict[str, Any]) -> None:
    assert policy(**changes).unknown_order in ("accept", "decline")


@pytest.mark.parametrize("name", ["S", "x" * 64, "Site_1-a", "0"])
def test_policy_document_site_identifier_valid(name: str) -> None:
    document = parse_document({**valid_document(), "sites": {name: {"time_zone": "UTC"}}})
    assert document.for_site(name).time_zone == "UTC"


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "America/Argentina/Ushuaia", "Pacific/Apia", "Etc/GMT+12"])
def test_policy_iana_time_zone_valid(name: str) -> None:
    assert policy(time_zone=name).zone == ZoneInfo(name)


def test_policy_is_immutable() -> None:
    with pytest.raises(ValidationError):
        policy().unknown_order = "decline"  # type: ignore[misc]  # the assignment must fail


def test_site_policy_without_entry_is_defaults() -> None:
    document = parse_document(full_document())
    assert document.for_site("S0") is document.defaults
    assert parse_document(valid_document()).for_site(SITE).time_zone == "America/New_York"


def test_site_policy_empty_entry_equals_defaults() -> None:
    document = parse_document({**full_document(), "sites": {SITE: {}}})
    assert document.for_site(SITE) == document.defaults


REPLACED_FIELDS: dict[str, tuple[Any, Any]] = {
    "unknown_order": ("accept", "decline"),
    "unknown_customer": ("accept", "decline"),
    "time_zone": ("America/New_York", "Asia/Tokyo"),
    "currency": ("USD", "USD"),
    "payment_types": (["cash", "credit"], ["ach"]),
    "channels": (["consumer"], ["none", "other"]),
    "subchannels": (["scheduled_one_time"], ["none"]),
    "amounts": (
        {"cash": {"minimum": "20.00", "maximum": "500.00"}, "ach": {"minimum": "1.00"}},
        {"cash": {"maximum": "300.00"}},
    ),
    "chargebacks": ({"max_count": 1, "within_days": 90}, {"max_count": 0, "within_days": 30}),
    "returns": ({"max_count": 1, "within_days": 90}, {"max_count": 0, "within_days": 30}),
    "spending_limits": (
        [{"window": "day", "amount": "500.00"}, {"window": "week", "amount": "900.00"}],
        [{"window": "month", "amount": "1000.00"}],
    ),
}


def test_replaced_fields_cover_all_policy_fields() -> None:
    assert REPLACED_FIELDS.keys() | {"texts"} == SitePolicy.model_fields.keys()


@pytest.mark.parametrize("field", REPLACED_FIELDS)
def test_site_policy_field_replaces_default_field_completely(field: str) -> None:
    default, site_value = REPLACED_FIELDS[field]
    site = site_policy({field: site_value}, **{field: default}, texts={"order_closed": {"receipt": "Closed"}})
    assert getattr(site, field) == getattr(policy(**{field: site_value}), field)
    for other in SitePolicy.model_fields.keys() - {field}:
        expected = policy(texts={"order_closed": {"receipt": "Closed"}})
        assert getattr(site, other) == getattr(expected, other)


@pytest.mark.parametrize("field", ["payment_types", "channels", "subchannels", "chargebacks", "returns"])
def test_site_policy_null_removes_default_rule(field: str) -> None:
    assert getattr(site_policy({field: None}, **{field: REPLACED_FIELDS[field][0]}), field) is None


def test_site_policy_leaves_defaults_and_other_sites_unchanged() -> None:
    sites = {SITE: {"time_zone": "UTC", "texts": {"order_closed": {"receipt": "Closed"}}}, "S2": {}}
    document = parse_document({**valid_document(), "sites": sites})
    assert document.for_site(SITE).time_zone == "UTC"
    assert document.for_site("S2") == document.defaults
    assert document.defaults.time_zone == "America/New_York"
    assert document.defaults.texts == DEFAULT_TEXTS


def test_consumer_text_precedence_site_defaults_project() -> None:
    site = site_policy(
        {"texts": {"order_closed": {"receipt": "Of the site"}, "order_expired": {"decline_reason": "Late"}}},
        texts={
            "order_closed": {"decline_reason": "Of the defaults", "receipt": "Of the defaults"},
            "order_unknown": {"receipt": "Of the defaults"},
        },
    )
    closed, expired, unknown = map(site.text, (Reason.ORDER_CLOSED, Reason.ORDER_EXPIRED, Reason.ORDER_UNKNOWN))
    assert (closed.decline_reason, closed.receipt) == ("Of the defaults", "Of the site")
    assert (expired.decline_reason, expired.receipt) == ("Late", DEFAULT_TEXTS[Reason.ORDER_EXPIRED].receipt)
    assert unknown.decline_reason == DEFAULT_TEXTS[Reason.ORDER_UNKNOWN].decline_reason
    assert unknown.receipt == "Of the defaults"
    assert site.text(Reason.ACCEPTED) == DEFAULT_TEXTS[Reason.ACCEPTED]


@pytest.mark.parametrize("reason", [Reason.TOO_MANY_RETURNS, Reason.CANNOT_DECIDE_NOW])
def test_site_policy_null_removes_decline_reason_keeps_receipt(reason: Reason) -> None:
    text = site_policy({"texts": {reason: {"decline_reason": None}}}).text(reason)
    assert text.decline_reason is None
    assert text.receipt == DEFAULT_TEXTS[reason].receipt


def test_policy_version_is_sha256_prefix_of_document() -> None:
    text = json.dumps(full_document())
    document = read_policy(text)
    version = document.defaults.version
    assert len(version) == 12
    assert hashlib.sha256(text.encode()).hexdigest().startswith(version)
    assert document.for_site(SITE).version == document.for_site("S0").version == version
    assert read_policy(text).defaults.version == version


def test_policy_version_differs_for_any_document_change() -> None:
    text = json.dumps(full_document())
    texts = [text, text + " ", text.replace("500.00", "500.01"), text.replace("Chicago", "Denver")]
    assert len({read_policy(document_text).for_site(SITE).version for document_text in texts}) == len(texts)
