from datetime import timedelta
from typing import Any

import pytest

from tests.support.api_driver import ORDER, ApiDriver, parameter_errors, payment_path
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, Response

NO_HISTORY: dict[str, Any] = {"anomalies": [], "reversals": []}
CONFIRMED_FIELDS = {
    "outcome": "payment",
    "confirmed_at": "2026-11-20T17:00:00Z",
    "confirmed_amount": "100.00",
    "confirmed_currency": "USD",
    "confirmed_net": "97.50",
    "confirmed_order": ORDER,
    "confirmed_customer": CUSTOMER,
    "standin": False,
    "posted_amount": "97.50",
}
RESERVED = {
    "site_customer_identifier": CUSTOMER,
    "amount": "100.00",
    "payment_type": "credit",
    "windows": {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"},
}


def payment_content(response: Response) -> dict[str, Any]:
    """Return the fields of a payment that are not null."""
    assert response.status == 200
    return {name: value for name, value in response.content.items() if value is not None}


def identity(**extra_fields: Any) -> dict[str, Any]:
    return {
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": ORDER,
        "site_customer_identifier": CUSTOMER,
        "test": False,
        **extra_fields,
    }


def test_get_payment_authorized_returns_decision_and_reservation(
    api_driver: ApiDriver, callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    callback_driver.authorize(net_payment_amount="97.5", site_order_identifier="order-1", agent_name="zq7")
    item = callback_driver.item()

    response = api_driver.get(payment_path("1"))

    assert response.content_type == "application/json; charset=utf-8"
    assert payment_content(response) == NO_HISTORY | identity(
        site_order_identifier="order-1",
        site_payment_identifier=item["site_payment_identifier"],
        payment_type="credit",
        decision="accept",
        reason="accepted",
        decided_at="2026-11-20T17:00:00Z",
        policy_version=item["policy_version"],
        authorized_amount="100.00",
        authorized_currency="USD",
        authorized_net="97.50",
        authorized_order=ORDER,
        authorized_customer=CUSTOMER,
        reservation=RESERVED,
    )


def test_get_payment_declined_returns_reason(
    api_driver: ApiDriver, callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "99.99"}})
    assert not callback_driver.authorize()

    payment_record = payment_content(api_driver.get(payment_path("1")))

    assert (payment_record["decision"], payment_record["reason"]) == ("decline", "amount_too_high")
    assert payment_record["decline_reason"] == callback_driver.item()["decline_reason"]
    assert "reservation" not in payment_record


def test_get_payment_unauthorized_returns_outcome(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    callback_driver.confirm(net_payment_amount="97.50")

    outcome_fields = {"payment_type": "credit", "reservation": RESERVED}
    assert (
        payment_content(api_driver.get(payment_path("1")))
        == NO_HISTORY | identity() | CONFIRMED_FIELDS | outcome_fields
    )


def test_get_payment_returns_outcome_and_sorted_reversals(
    api_driver: ApiDriver, callback_driver: CallbackDriver, reverse: LambdaFunction
) -> None:
    callback_driver.authorize()
    callback_driver.confirm(net_payment_amount="97.50")
    parts: list[tuple[int, dict[str, str | None]]] = [
        (2, {"reverse_amount": "90.00", "reverse_type": "Chargeback", "reverse_code": "4853"}),
        (1, {"reverse_amount": "0.01", "reverse_type": None, "reverse_code": None}),
        (3, {"reverse_amount": "9.99"}),
    ]
    for days, changes in sorted(parts, key=lambda part: part[0]):
        now = NOON + timedelta(days=days)
        message = reversal(pnm_payment_identifier="1", timestamp=unix_time(now), **changes)
        assert send_at(now, reverse, message).status == 200
        assert send_at(now, reverse, message).status == 200

    payment_record = payment_content(api_driver.get(payment_path("1")))

    assert {name: payment_record[name] for name in CONFIRMED_FIELDS} == CONFIRMED_FIELDS
    assert (payment_record["reversed_amount"], payment_record["debited_amount"]) == ("100.00", "97.50")
    reversals = [
        ("2026-11-21T17:00:00Z", "other", None, None, "0.01", "0.01"),
        ("2026-11-22T17:00:00Z", "chargeback", "Chargeback", "4853", "90.00", "90.00"),
        ("2026-11-23T17:00:00Z", "return", "Bank Return", "R01", "9.99", "7.49"),
    ]
    names = ("at", "kind", "type", "code", "amount", "debited_amount")
    assert payment_record["reversals"] == [dict(zip(names, reversal, strict=True)) for reversal in reversals]
    assert payment_record["anomalies"] == []


def test_get_payment_with_reversal_only_returns_anomaly(api_driver: ApiDriver, reverse: LambdaFunction) -> None:
    assert send_at(NOON, reverse, reversal(pnm_payment_identifier="1")).status == 200

    payment_record = payment_content(api_driver.get(payment_path("1")))

    assert {name: payment_record[name] for name in identity()} == identity()
    assert payment_record["anomalies"] == ["reversed_unknown"]
    assert [reversal_entry["debited_amount"] for reversal_entry in payment_record["reversals"]] == ["0.00"]
    assert "outcome" not in payment_record
    assert "decision" not in payment_record


def test_get_payment_released_or_failed_has_zero_reservation(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    callback_driver.authorize("2")
    callback_driver.decline("2")

    released_record, failed_record = (payment_content(api_driver.get(payment_path(payment_id))) for payment_id in "12")

    assert released_record["released_at"] == "2026-11-20T17:00:00Z"
    assert "released_at" not in failed_record
    assert failed_record["outcome"] == "decline"
    assert "posted_amount" not in failed_record
    assert [payment_record["reservation"] for payment_record in (released_record, failed_record)] == [
        RESERVED | {"amount": "0.00"}
    ] * 2


def test_get_payment_anomalies_sorted(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    callback_driver.authorize(payment_amount="1")
    callback_driver.confirm(pnm_order_identifier="2", site_customer_identifier="3", net_payment_amount="100.01")

    anomalies = payment_content(api_driver.get(payment_path("1")))["anomalies"]

    assert anomalies == ["amount_differs", "customer_differs", "net_exceeds_amount", "order_differs"]


def test_get_payment_test_parameter_selects_test_payment(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.confirm("1", payment_amount="1.00")
    callback_driver.confirm("1", payment_amount="2.00", test="true")
    callback_driver.confirm("2", test="true")

    real_payments = [
        payment_content(api_driver.get(payment_path("1"))),
        payment_content(api_driver.get(payment_path("1"), test="false")),
    ]
    test = payment_content(api_driver.get(payment_path("1"), test="true"))

    assert [(payment_record["test"], payment_record["confirmed_amount"]) for payment_record in real_payments] == [
        (False, "1.00")
    ] * 2
    assert (test["test"], test["confirmed_amount"]) == (True, "2.00")
    assert "posted_amount" not in test
    assert api_driver.get(payment_path("2")).status == 404


def test_get_payment_of_another_site_not_found(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    callback_driver.confirm("1")

    assert api_driver.get(payment_path("1", site=SITE_OF_3_0_IN_XML)).status == 404


def test_get_payment_without_record_not_found(api_driver: ApiDriver) -> None:
    response = api_driver.get(payment_path())

    assert response.status == 404
    assert response.content["type"].endswith(":not-found")


@pytest.mark.parametrize("amount", ["0.01", "0.10", "100000000000.00", "999999999999.99"])
def test_get_payment_amounts_exact(api_driver: ApiDriver, callback_driver: CallbackDriver, amount: str) -> None:
    callback_driver.confirm(payment_amount=amount)

    payment_record = payment_content(api_driver.get(payment_path("1")))

    amounts = {payment_record[name] for name in ("confirmed_amount", "confirmed_net", "posted_amount")}
    assert amounts | {payment_record["reservation"]["amount"]} == {amount}


def test_get_payment_one_dynamodb_request(
    api_driver: ApiDriver, callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    callback_driver.confirm("1")

    assert aws_calls.calls_during(lambda: api_driver.get(payment_path("1"))) == ["BatchGetItem"]


def test_get_payment_returns_no_pii(api_driver: ApiDriver, confirm: LambdaFunction) -> None:
    pii = {
        "agent_name": "zq7",
        "agent_email": "zq7@example.com",
        "payment_bank_name": "zq7",
        "customer_name_pii": "zq7",
        "retailer_location_address": "zq7",
        "payment_card_last4": "zq7",
    }
    assert send_at(NOON, confirm, confirmation(pnm_payment_identifier="1", **pii)).status == 200

    assert "zq7" not in api_driver.get(payment_path("1")).body


@pytest.mark.parametrize(
    ("query", "names"), [({"test": "yes"}, {"test"}), ({"test": ""}, {"test"}), ({"zq7": "1"}, {"zq7"})], ids=str
)
def test_get_payment_invalid_parameters_reported(api_driver: ApiDriver, query: dict[str, str], names: set[str]) -> None:
    assert parameter_errors(api_driver.get(payment_path(), **query)).keys() == names
    assert parameter_errors(api_driver.get(payment_path("a b"))).keys() == {"pnm_payment_identifier"}
