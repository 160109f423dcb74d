"""Decide on authorizations once, and store the decision."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from paynearme.protocol.signing import UNSIGNED
from tests.support.callback_driver import send_at
from tests.support.callback_fixtures import CUSTOMER, authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def message_at(timestamp: datetime) -> dict[str, str]:
    return authorization(timestamp=str(int(timestamp.timestamp())))


def test_authorize_valid_payment_accepted_and_recorded(authorize: LambdaFunction, ledger_table: LedgerFixture) -> None:
    response = authorize(authorization())

    assert response.status == 200
    assert response.fields["accept_payment"] == "yes"
    assert response.fields["pnm_order_identifier"] == "80080175585"
    assert "decline_reason" not in response.fields
    assert response.content["payment_authorization_response"]["version"] == "3.0"
    assert ledger_table.payment()["decision"] == "accept"


def test_authorize_declined_returns_and_stores_reason(authorize: LambdaFunction, ledger_table: LedgerFixture) -> None:
    response = authorize(authorization(payment_currency="CAD"))

    assert response.status == 200
    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CURRENCY_NOT_ACCEPTED].decline_reason
    assert ledger_table.payment()["decision"] == "decline"
    assert ledger_table.payment()["reason"] == Reason.CURRENCY_NOT_ACCEPTED


@pytest.mark.parametrize(("amount", "accept_payment"), [("354.99", "yes"), ("0", "no")])
def test_authorize_duplicate_after_policy_change_same_response(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: FakeAppConfig,
    monkeypatch: pytest.MonkeyPatch,
    amount: str,
    accept_payment: str,
) -> None:
    monkeypatch.setenv("POLICY_CACHE_SECONDS", "0")
    authorize = cold_start("authorize")
    message = authorization(timestamp=str(int(NOW.timestamp())), payment_amount=amount)
    first = send_at(NOW, authorize, message)
    deployed_policy.put_defaults(payment_types=["cash"])

    assert send_at(NOW + timedelta(minutes=10), authorize, message).body == first.body
    assert first.fields["accept_payment"] == accept_payment
    assert authorize(authorization(pnm_payment_identifier="1")).fields["accept_payment"] == "no"


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "354.98"},
        {"payment_currency": "CAD"},
        {"pnm_order_identifier": "80080175586"},
        {"payment_type": None},
        {"site_customer_identifier": "another"},
    ],
    ids=lambda changes: "".join(changes),
)
def test_authorize_conflicting_content_declined_and_flagged(
    authorize: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, changes: dict[str, Any]
) -> None:
    first = authorize(authorization())
    original = ledger_table.payment()

    response = authorize(authorization(**changes))

    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CONFLICTS_WITH_EARLIER].decline_reason
    assert response.fields["site_payment_identifier"] == first.fields["site_payment_identifier"]
    flagged = {"anomalies": {"authorization_conflict"}, "revision": original["revision"] + 1}
    assert ledger_table.payment() == {**original, **flagged}
    assert ledger_table.spent_amounts() == {Decimal("354.99")}
    assert captured_output.metric_total("AnomalyAuthorizationConflict") == 1
    assert authorize(authorization()).body == first.body


def test_authorize_equivalent_amount_formats_same_decision(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    response = authorize(authorization(payment_amount="354"))

    assert authorize(authorization(payment_amount="354.00")).body == response.body
    assert ledger_table.anomalies() == set()


def test_authorize_site_payment_identifier_returned_and_stored(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    response = authorize(authorization(site_payment_identifier="site-payment-1"))

    assert response.fields["site_payment_identifier"] == "site-payment-1"
    assert ledger_table.payment()["site_payment_identifier"] == "site-payment-1"


def test_authorize_test_and_real_payment_stored_separately(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    test_response = authorize(authorization(test="true"))
    response = authorize(authorization(payment_amount="1.00"))

    assert test_response.fields["accept_payment"] == response.fields["accept_payment"] == "yes"
    assert test_response.fields["site_payment_identifier"] != response.fields["site_payment_identifier"]
    stored = {(item["pk"].startswith("TEST#"), item["test"]) for item in ledger_table.payments()}
    assert stored == {(True, True), (False, False)}


@pytest.mark.parametrize("seconds", [-300, 900])
def test_authorization_timestamp_within_allowed_age_received(authorize: LambdaFunction, seconds: int) -> None:
    assert send_at(NOW, authorize, message_at(NOW - timedelta(seconds=seconds))).fields["accept_payment"] == "yes"


@pytest.mark.parametrize("seconds", [-301, 901])
def test_authorization_timestamp_outside_allowed_age_declined(
    authorize: LambdaFunction, ledger_table: LedgerFixture, seconds: int
) -> None:
    response = send_at(NOW, authorize, message_at(NOW - timedelta(seconds=seconds)))

    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.STALE_TIMESTAMP].decline_reason
    assert "decision" not in ledger_table.payment()
    [item] = ledger_table.quarantined()
    assert (item["reason"], item["kind"]) == ("stale_timestamp", "authorization")
    assert send_at(NOW, authorize, message_at(NOW)).fields["accept_payment"] == "yes"


def test_authorization_timestamp_in_milliseconds_received(authorize: LambdaFunction) -> None:
    milliseconds = int(NOW.timestamp() * 1000)

    for index, text in enumerate((str(milliseconds + 999), f"{milliseconds // 1000}.5")):
        message = authorization(timestamp=text, pnm_payment_identifier=str(index))
        assert send_at(NOW, authorize, message).fields["accept_payment"] == "yes"


@pytest.mark.parametrize(
    ("variable", "seconds"), [("AUTHORIZATION_MAX_AGE_SECONDS", 61), ("MAX_CLOCK_SKEW_SECONDS", -61)]
)
def test_authorize_max_age_and_clock_skew_from_settings(
    cold_start: Any, monkeypatch: pytest.MonkeyPatch, variable: str, seconds: int
) -> None:
    monkeypatch.setenv(variable, "60")

    response = send_at(NOW, cold_start("authorize"), message_at(NOW - timedelta(seconds=seconds)))
    assert response.fields["accept_payment"] == "no"


def test_authorize_after_confirmation_decides_and_keeps_outcome(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation())

    response = authorize(authorization())

    assert response.fields["accept_payment"] == "yes"
    item = ledger_table.payment()
    assert (item["outcome"], item["decision"]) == ("payment", "accept")
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize(
    "changes", [{"payment_amount": "1.00"}, {"net_payment_amount": "349.99", "net_payment_currency": "USD"}]
)
def test_authorize_after_confirmation_mismatch_records_anomaly(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, str]
) -> None:
    confirm(confirmation())

    authorize(authorization(**changes))

    assert ledger_table.anomalies() == {"amount_differs"}
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}


def test_authorize_decline_after_paid_confirmation_flagged(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation())

    assert authorize(authorization(payment_currency="CAD")).fields["accept_payment"] == "no"
    assert ledger_table.anomalies() == {"paid_after_decline", "amount_differs"}


def test_authorization_ignores_unsigned_parameters(authorize: LambdaFunction, ledger_table: LedgerFixture) -> None:
    unsigned = dict.fromkeys(sorted(UNSIGNED), "not signed")

    assert authorize({**unsigned, **authorization()}).fields["accept_payment"] == "yes"
    assert "not signed" not in str(ledger_table.all_items())
