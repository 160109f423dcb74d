"""Valid policy documents and the policies of their sites. ``test_document_errors`` has the invalid ones."""

import hashlib
import json
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from paynearme.policy import DEFAULT_TEXTS, Reason, SitePolicy, WindowKind, read_policy
from paynearme.policy.document import Frequency
from tests.support.policy_builders import full_document, parse_document, policy, valid_document

SITE = "Site_1-" + "a" * 57
"""A site identifier of the maximum length."""


def site_policy(site_fields: dict[str, Any], **defaults: Any) -> SitePolicy:
    """Return the policy of a site with its own entry in the document."""
    return parse_document({**valid_document(**defaults), "sites": {SITE: site_fields}}).for_site(SITE)


def test_policy_required_fields_only_has_defaults() -> None:
    minimal = policy()
    assert (minimal.unknown_order, minimal.unknown_customer) == ("accept", "accept")
    assert minimal.zone == ZoneInfo("America/New_York")
    assert minimal.currency == "USD"
    assert not minimal.pause_payments
    assert minimal.payment_types is minimal.channels is minimal.subchannels is None
    assert minimal.chargebacks is minimal.returns is None
    assert not minimal.amounts
    assert not minimal.spending_limits
    assert minimal.texts == DEFAULT_TEXTS


def test_policy_document_all_fields_parsed() -> None:
    defaults = parse_document(full_document()).defaults
    assert defaults.pause_payments
    lists = (defaults.payment_types, defaults.channels, defaults.subchannels)
    assert [sorted(map(str, names or ())) for names in lists] == [
        ["cash", "credit", "none", "other"],
        ["consumer", "consumer_recurring", "none", "other"],
        ["none", "other", "scheduled_one_time"],
    ]
    bounds = {name: (amounts.minimum, amounts.maximum) for name, amounts in defaults.amounts.items()}
    assert bounds == {"cash": (Decimal(20), Decimal(500)), "credit": (Decimal(10), None), "other": (None, None)}
    assert defaults.chargebacks == Frequency(max_count=1, within_days=90)
    assert defaults.returns == Frequency(max_count=2, within_days=365)
    limits = [(limit.window, limit.amount, limit.payment_types) for limit in defaults.spending_limits]
    assert limits == [(WindowKind.DAY, Decimal(500), None), (WindowKind.WEEK, Decimal("1000.50"), {"cash", "none"})]
    assert defaults.text(Reason.ACCEPTED).receipt == "Paid {payment_amount}<br><pnm_fee />"


@pytest.mark.parametrize(
    "changes",
    [
        {"chargebacks": {"max_count": 0, "within_days": 1}},
        {"amounts": {"cash": {"minimum": "0.01", "maximum": "999999999999.99"}}},
        {"amounts": {"cash": {"minimum": "20.00", "maximum": "20"}}},
        {"spending_limits": []},
        {"time_zone": "America/Argentina/Ushuaia"},
        {"time_zone": "Etc/GMT+12"},
    ],
    ids=str,
)
def test_policy_values_at_bounds_valid(changes: dict[str, Any]) -> None:
    assert isinstance(policy(**changes), SitePolicy)


def test_policy_is_immutable() -> None:
    with pytest.raises(ValidationError):
        policy().unknown_order = "decline"  # type: ignore[misc]  # the assignment must fail
    with pytest.raises(ValidationError):
        policy().text(Reason.ACCEPTED).receipt = "x"  # type: ignore[misc]  # the assignment must fail


def test_site_policy_without_changes_equals_defaults() -> None:
    document = parse_document({**full_document(), "sites": {SITE: {}}})
    assert document.for_site("S0") is document.defaults
    assert document.for_site(SITE) == document.defaults


def test_site_policy_field_replaces_default_field_completely() -> None:
    amounts = {"cash": {"minimum": "20.00", "maximum": "500.00"}, "ach": {"minimum": "1.00"}}
    document = parse_document(
        {
            **valid_document(amounts=amounts, payment_types=["cash"], channels=["consumer"]),
            "sites": {SITE: {"amounts": {"cash": {"maximum": "300.00"}}, "channels": None}, "S2": {}},
        }
    )
    expected = policy(amounts={"cash": {"maximum": "300.00"}}, payment_types=["cash"])
    assert document.for_site(SITE).model_dump() == expected.model_dump()
    assert document.for_site("S2") == document.defaults
    expected = policy(amounts=amounts, payment_types=["cash"], channels=["consumer"])
    assert document.defaults.model_dump() == expected.model_dump()


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


def test_site_policy_null_removes_decline_reason_keeps_receipt() -> None:
    text = site_policy({"texts": {"too_many_returns": {"decline_reason": None}}}).text(Reason.TOO_MANY_RETURNS)
    assert text.decline_reason is None
    assert text.receipt == DEFAULT_TEXTS[Reason.TOO_MANY_RETURNS].receipt


def test_policy_version_is_sha256_prefix_of_document() -> None:
    text = json.dumps(full_document())
    for document_text in (text, text + " "):
        document, digest = read_policy(document_text), hashlib.sha256(document_text.encode()).hexdigest()
        versions = {document.defaults.version, document.for_site("S2155373459").version}
        assert versions == {digest[:12]}
