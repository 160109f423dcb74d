from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paynearme.errors import StaleTimestampError
from paynearme.handlers.authentication import receive_callback
from paynearme.platform.deadline import Deadline
from paynearme.policy import DEFAULT_TEXTS, Reason
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.signing import UNSIGNED
from tests.support.api_gateway_events import json_event
from tests.support.callback_driver import send_at
from tests.support.callback_fixtures import TRANSPORTS, authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def message_at(timestamp: datetime) -> dict[str, str]:
    return authorization(timestamp=str(int(timestamp.timestamp())))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_authorize_valid_payment_accepted_and_recorded(
    authorize: LambdaFunction, ledger_table: LedgerFixture, transport: str
) -> None:
    response = authorize(authorization(), TRANSPORTS[transport])

    assert response.status == 200
    assert response.fields["accept_payment"] == "yes"
    assert response.fields["pnm_order_identifier"] == "80080175585"
    assert "decline_reason" not in response.fields
    assert response.content["payment_authorization_response"]["version"] == "3.0"
    assert ledger_table.payment()["decision"] == "accept"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payment_currency": "CAD"}, Reason.CURRENCY_NOT_ACCEPTED),
        ({"payment_amount": "0.00"}, Reason.AMOUNT_NOT_POSITIVE),
        ({"payment_amount": "-1"}, Reason.AMOUNT_NOT_POSITIVE),
    ],
)
def test_authorize_amount_or_currency_declined_with_reason(
    authorize: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any], reason: Reason
) -> None:
    response = authorize(authorization(**changes))

    assert response.status == 200
    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[reason].decline_reason
    assert ledger_table.payment()["decision"] == "decline"
    assert ledger_table.payment()["reason"] == reason


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


def test_authorize_duplicate_after_cold_start_same_response(
    authorize: LambdaFunction, cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig
) -> None:
    first = authorize(authorization())
    deployed_policy.put_defaults(payment_types=["cash"])
    restarted = cold_start("authorize")

    assert restarted(authorization()).body == first.body
    assert first.fields["accept_payment"] == "yes"
    assert restarted(authorization(pnm_payment_identifier="1")).fields["accept_payment"] == "no"


each_other_content = pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "354.98"},
        {"payment_currency": "CAD"},
        {"pnm_order_identifier": "80080175586"},
        {"payment_type": "debit"},
        {"payment_type": None},
    ],
    ids=["amount", "currency", "order", "payment type", "no payment type"],
)


@each_other_content
def test_authorize_conflicting_content_declined_and_flagged(
    authorize: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, changes: dict[str, Any]
) -> None:
    authorize(authorization())
    original = ledger_table.payment()

    response = authorize(authorization(**changes))

    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.CONFLICTS_WITH_EARLIER].decline_reason
    flagged = {"anomalies": {"authorization_conflict"}, "revision": original["revision"] + 1}
    assert ledger_table.payment() == {**original, **flagged}
    assert captured_output.metric_total("AnomalyAuthorizationConflict") == 1


@each_other_content
def test_authorize_duplicate_after_conflict_same_response(authorize: LambdaFunction, changes: dict[str, Any]) -> None:
    first = authorize(authorization())
    authorize(authorization(**changes))

    assert authorize(authorization()).body == first.body


@pytest.mark.parametrize(("first", "second"), [("354.9", "354.90"), ("354.90", "354.9"), ("354", "354.00")])
def test_authorize_equivalent_amount_formats_same_decision(
    authorize: LambdaFunction, ledger_table: LedgerFixture, first: str, second: str
) -> None:
    response = authorize(authorization(payment_amount=first))

    assert authorize(authorization(payment_amount=second)).body == response.body
    assert ledger_table.anomalies() == set()


def test_authorize_site_payment_identifier_returned_and_stored(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    response = authorize(authorization(site_payment_identifier="site-payment-1"))

    assert response.fields["site_payment_identifier"] == "site-payment-1"
    assert ledger_table.payment()["site_payment_identifier"] == "site-payment-1"


def test_authorize_generates_unique_site_payment_identifier(authorize: LambdaFunction) -> None:
    names = ["1001", "1002", "1003"]
    first = [authorize(authorization(pnm_payment_identifier=name)) for name in names]
    duplicates = [authorize(authorization(pnm_payment_identifier=name)) for name in names]

    identifiers = [response.fields["site_payment_identifier"] for response in first]
    assert len(set(identifiers)) == len(names)
    assert [response.fields["site_payment_identifier"] for response in duplicates] == identifiers


def test_authorize_conflict_keeps_site_payment_identifier(authorize: LambdaFunction) -> None:
    first = authorize(authorization())
    conflict = authorize(authorization(payment_amount="1.00"))

    assert conflict.fields["site_payment_identifier"] == first.fields["site_payment_identifier"]


def test_authorize_test_payment_accepted_and_stored_separately(
    authorize: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    response = authorize(authorization(test="true"))

    assert response.fields["accept_payment"] == "yes"
    [item] = ledger_table.all_items()
    assert item["pk"].startswith("TEST#")
    assert item["test"] is True


@pytest.mark.parametrize("order", [("true", None), (None, "true")], ids=["test first", "real first"])
def test_authorize_test_and_real_payment_stored_separately(
    authorize: LambdaFunction, ledger_table: LedgerFixture, order: tuple[str | None, str | None]
) -> None:
    first_response = authorize(authorization(test=order[0]))
    second_response = authorize(authorization(test=order[1], payment_amount="1.00"))

    assert first_response.fields["accept_payment"] == second_response.fields["accept_payment"] == "yes"
    assert first_response.fields["site_payment_identifier"] != second_response.fields["site_payment_identifier"]
    assert sorted(item["pk"].startswith("TEST#") for item in ledger_table.payments()) == [False, True]


def receive_at(function: LambdaFunction, event: dict[str, Any], now: datetime) -> Authorization:
    app = function.app
    return receive_callback(
        event, Authorization, app.settings, app.sites, now, Deadline.after(app.settings.response_timeout_seconds)
    ).message


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 900])
def test_authorization_timestamp_within_allowed_age_received(authorize: LambdaFunction, seconds: int) -> None:
    event = json_event(message_at(NOW - timedelta(seconds=seconds)))

    assert receive_at(authorize, event, NOW).pnm_payment_identifier == "830466818968"


@pytest.mark.parametrize("seconds", [-301, 901])
def test_authorization_timestamp_outside_allowed_age_rejected(authorize: LambdaFunction, seconds: int) -> None:
    event = json_event(message_at(NOW - timedelta(seconds=seconds)))

    with pytest.raises(StaleTimestampError):
        receive_at(authorize, event, NOW)


@pytest.mark.parametrize("seconds", [-301, 901])
def test_authorize_stale_timestamp_returns_401_stores_nothing(
    authorize: LambdaFunction, ledger_table: LedgerFixture, seconds: int
) -> None:
    response = send_at(NOW, authorize, message_at(NOW - timedelta(seconds=seconds)))

    assert response.status == 401
    assert ledger_table.all_items() == []


@pytest.mark.parametrize(
    ("variable", "seconds"), [("AUTHORIZATION_MAX_AGE_SECONDS", 61), ("MAX_CLOCK_SKEW_SECONDS", -61)]
)
def test_authorize_max_age_and_clock_skew_from_settings(
    cold_start: Any, monkeypatch: pytest.MonkeyPatch, variable: str, seconds: int
) -> None:
    monkeypatch.setenv(variable, "60")

    assert send_at(NOW, cold_start("authorize"), message_at(NOW - timedelta(seconds=seconds))).status == 401


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
    ("changes", "anomaly"),
    [
        ({"payment_amount": "1.00"}, "amount_differs"),
        ({"pnm_order_identifier": "1"}, "order_differs"),
        ({"site_customer_identifier": "1"}, "customer_differs"),
    ],
)
def test_authorize_after_confirmation_mismatch_records_anomaly(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    changes: dict[str, Any],
    anomaly: str,
) -> None:
    confirm(confirmation())
    balances = ledger_table.balances()

    authorize(authorization(**changes))

    assert ledger_table.anomalies() == {anomaly}
    assert ledger_table.balances() == balances


def test_authorize_decline_after_paid_confirmation_flagged(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation())

    assert authorize(authorization(payment_currency="CAD")).fields["accept_payment"] == "no"
    assert ledger_table.anomalies() == {"paid_after_decline", "amount_differs"}


def test_authorize_after_failed_payment_accepts_without_anomaly(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation(status="decline"))

    first = authorize(authorization())

    assert first.fields["accept_payment"] == "yes"
    assert authorize(authorization()).body == first.body
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize("name", sorted(UNSIGNED))
def test_authorization_ignores_unsigned_parameters(authorize: LambdaFunction, name: str) -> None:
    parameters = authorization(agent_name="signed")
    event = json_event({name: "not signed", **parameters})

    message = receive_at(authorize, event, datetime.now(UTC))

    assert message.agent_name == "signed"
    assert name not in (message.model_extra or {})
