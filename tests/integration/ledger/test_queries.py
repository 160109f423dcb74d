"""Read orders, customers and payments for the merchant's backend."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.api_driver import ORDER, ApiDriver, customer_path, order_path, parameter_errors, payment_path
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, Response


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start).at(NOON)


def window(name: str, spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    return {"window": name, "spent": spent, "by_payment_type": by_type}


NO_HISTORY: dict[str, Any] = {"anomalies": [], "reversals": [], "quarantined": [], "quarantine_overflow": 0}


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


def test_get_customer_never_put_returns_confirmed_payment(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.confirm()

    content = {name: value for name, value in api_driver.get(customer_path()).content.items() if value is not None}

    windows = {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"}
    spending = {kind: window(name, "100.00", credit="100.00") for kind, name in windows.items()}
    assert content == {
        "site_identifier": SITE,
        "site_customer_identifier": CUSTOMER,
        "balance": "100.00",
        "spending": {"time_zone": "America/New_York"} | spending,
        "chargebacks": {"count": 0, "within_days": 365},
        "returns": {"count": 0, "within_days": 365},
    }


def test_get_customer_never_put_returns_authorized_spending(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.authorize()

    returned = api_driver.get(customer_path()).content
    assert (returned["balance"], returned["spending"]["day"]["spent"]) == ("0.00", "100.00")


def test_get_customer_or_order_without_records_not_found(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.authorize(payment_currency="CAD")
    callback_driver.confirm("2", test="true")

    for path in (customer_path(), order_path()):
        response = api_driver.get(path)
        assert response.status == 404
        assert response.content["type"].endswith(":not-found")


def test_get_customer_spending_per_current_window_and_type(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    days = [datetime(2026, 11, day, 17, tzinfo=UTC) for day in (1, 15, 16, 20)]
    amounts = ["1000.01", "100.02", "10.03", "1.04"]
    for payment_id, (day, amount) in enumerate(zip(days, amounts, strict=True)):
        callback_driver.at(day).authorize(str(payment_id), payment_amount=amount)
    callback_driver.authorize("9", payment_amount="0.90", payment_type="cash")
    callback_driver.authorize("10", payment_amount="0.09", payment_type="barter")
    callback_driver.authorize("11", payment_amount="7000.00", payment_type="ach")
    callback_driver.decline("11", payment_amount="7000.00", payment_type="ach")

    assert api_driver.get(customer_path()).content["spending"] == {
        "time_zone": "America/New_York",
        "day": window("2026-11-20", "2.03", credit="1.04", cash="0.90", other="0.09"),
        "week": window("2026-W47", "12.06", credit="11.07", cash="0.90", other="0.09"),
        "month": window("2026-11", "1112.09", credit="1111.10", cash="0.90", other="0.09"),
    }


def send_reversal(reverse: LambdaFunction, now: datetime, payment_id: str, **changes: str) -> None:
    """Send a reversal at ``now``."""
    message = reversal(pnm_payment_identifier=payment_id, timestamp=unix_time(now), **changes)
    assert send_at(now, reverse, message).status == 200


def test_reversal_counts_within_policy_days(
    api_driver: ApiDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(
        chargebacks={"max_count": 0, "within_days": 350}, returns={"max_count": 0, "within_days": 2}
    )
    # The oldest counted reversal is in the previous year.
    for days in (0, 1, 2, 349, 350, 400):
        day = NOON - timedelta(days=days)
        send_reversal(reverse, day, f"{days}r")
        send_reversal(reverse, day, f"{days}c", reverse_type="Chargeback", reverse_code="4853")
        send_reversal(reverse, day, f"{days}o", reverse_type="Refund", reverse_code="1")

    returned = api_driver.get(customer_path()).content
    assert returned["chargebacks"] == {"count": 4, "within_days": 350}
    assert returned["returns"] == {"count": 2, "within_days": 2}


def test_get_customer_uses_policy_of_its_site(api_driver: ApiDriver, deployed_policy: FakeAppConfig) -> None:
    defaults = {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "Asia/Tokyo"}
    deployed_policy.put({"defaults": defaults, "sites": {SITE: {"time_zone": "America/Chicago"}}})

    time_zones = [
        api_driver.put(customer_path(site=site)).content["spending"]["time_zone"] for site in (SITE, SITE_OF_3_0_IN_XML)
    ]
    assert time_zones == ["America/Chicago", "Asia/Tokyo"]


def test_get_customer_or_payment_costs_one_dynamodb_request(
    api_driver: ApiDriver, callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    for payment_id in range(3):
        callback_driver.at(NOON - timedelta(days=payment_id)).confirm(str(payment_id))

    for path in (customer_path(), payment_path("1")):
        assert aws_calls.calls_during(partial(api_driver.get, path)) == ["BatchGetItem"]


def test_get_payment_authorized_returns_decision_and_reservation(
    api_driver: ApiDriver, callback_driver: CallbackDriver
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
        (4, {"reverse_amount": "90.00", "reverse_type": "Chargeback won", "reverse_code": None}),
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
        ("2026-11-24T17:00:00Z", "undone", "Chargeback won", None, "90.00", "0.00"),
    ]
    names = ("at", "kind", "type", "code", "amount", "debited_amount")
    assert payment_record["reversals"] == [dict(zip(names, reversal, strict=True)) for reversal in reversals]
    assert payment_record["anomalies"] == ["reversal_type_unknown"]


def test_get_payment_anomalies_sorted(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    callback_driver.authorize(payment_amount="1")
    callback_driver.confirm(pnm_order_identifier="2", site_customer_identifier="3", net_payment_amount="100.01")

    anomalies = payment_content(api_driver.get(payment_path("1")))["anomalies"]

    assert anomalies == ["amount_differs", "customer_differs", "net_exceeds_amount", "order_differs"]


def test_get_payment_with_reversal_only_returns_identity(api_driver: ApiDriver, reverse: LambdaFunction) -> None:
    send_reversal(reverse, NOON, "1")

    content = payment_content(api_driver.get(payment_path("1")))

    assert content | identity(anomalies=["reversed_unknown"]) == content
    assert "outcome" not in content


def test_get_payment_with_quarantined_callback_only(api_driver: ApiDriver, confirm: LambdaFunction) -> None:
    other_order = {"pnm_payment_identifier": "1", "pnm_order_identifier": "8001"}
    messages = [confirmation(status="void", payment_amount=str(amount), **other_order) for amount in range(5)]
    messages.insert(1, confirmation(payment_type="push-debit", **other_order))
    for hours, message in reversed([*enumerate(messages)]):
        assert send_at(NOON + timedelta(hours=hours), confirm, message).status == 200

    quarantined = [
        {"at": f"2026-11-20T{17 + hours}:00:00Z", "kind": "confirmation", "reason": "unknown_status"}
        | {"pnm_order_identifier": "8001"}
        for hours in (2, 3, 4, 5)
    ]
    assert payment_content(api_driver.get(payment_path("1"))) == NO_HISTORY | {
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "test": False,
        "quarantined": quarantined,
        "quarantine_overflow": 2,
    }


def test_get_payment_with_outcome_and_quarantined_callback(
    api_driver: ApiDriver, callback_driver: CallbackDriver, authorize: LambdaFunction
) -> None:
    pushed = authorization(payment_type="pin4", pnm_payment_identifier="1", pnm_order_identifier="order of a push")
    assert send_at(NOON, authorize, pushed).status == 200
    callback_driver.confirm(net_payment_amount="97.50")

    content = payment_content(api_driver.get(payment_path("1")))

    assert content.items() >= (identity() | CONFIRMED_FIELDS).items()
    [quarantined] = content["quarantined"]
    assert (quarantined["kind"], quarantined["reason"]) == ("authorization", "push_callback")


def test_get_payment_test_parameter_selects_test_payment(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.confirm("1", payment_amount="1.00")
    callback_driver.confirm("1", payment_amount="2.00", test="true")
    callback_driver.confirm("2", test="true")

    queries: list[dict[str, str]] = [{}, {"test": "false"}, {"test": "true"}]
    payments = [api_driver.get(payment_path("1"), **query).content for query in queries]

    returned = [(payment["test"], payment["confirmed_amount"], payment["posted_amount"]) for payment in payments]
    assert returned == [(False, "1.00", "1.00")] * 2 + [(True, "2.00", None)]
    for path in (payment_path("2"), payment_path("1", site=SITE_OF_3_0_IN_XML)):
        assert api_driver.get(path).status == 404


def test_get_invalid_parameters_reported(api_driver: ApiDriver) -> None:
    assert parameter_errors(api_driver.get(payment_path(), test="yes")).keys() == {"test"}
    assert parameter_errors(api_driver.get(payment_path("a b"))).keys() == {"pnm_payment_identifier"}
    assert parameter_errors(api_driver.get(order_path(), test="true")).keys() == {"test"}
    assert parameter_errors(api_driver.get(order_path("a b"))).keys() == {"pnm_order_identifier"}
