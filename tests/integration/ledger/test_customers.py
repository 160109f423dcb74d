from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.api_driver import ApiDriver, customer_path, parameter_errors
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at
from tests.support.callback_fixtures import CUSTOMER, SITE, SITE_OF_3_0_IN_XML, site_changes
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture

ALL_FIELDS: dict[str, Any] = {
    "status": "suspended",
    "suspended_reason": "identity_check",
    "self_imposed_day_limit": "0.00",
    "self_imposed_week_limit": "500.50",
    "self_imposed_month_limit": "1000.00",
}
DEFAULT_FIELDS = {
    "suspended_reason": None,
    "self_imposed_day_limit": None,
    "self_imposed_week_limit": None,
    "self_imposed_month_limit": None,
}
NEVER_PUT = {"status": None, **DEFAULT_FIELDS, "merchant_updated_at": None}
IDENTITY = {"site_identifier": SITE, "site_customer_identifier": CUSTOMER}
OTHER_SITE = SITE_OF_3_0_IN_XML
NO_REVERSALS = {"count": 0, "within_days": 365}


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start).at(NOON)


def window(name: str, spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    return {"window": name, "spent": spent, "by_payment_type": by_type}


def spending(spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    """Return the expected spending at ``NOON`` if ``spent`` is of the same day."""
    names = {"day": "2026-11-20", "week": "2026-W47", "month": "2026-11"}
    windows = {kind: window(name, spent, **by_type) for kind, name in names.items()}
    return {"time_zone": "America/New_York", **windows}


def ledger_fields(content: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a customer that payments change."""
    return {name: content[name] for name in ("balance", "spending", "chargebacks", "returns")}


def test_put_customer_all_fields_returned_by_get(api_driver: ApiDriver) -> None:
    put_response = api_driver.put(customer_path(), **ALL_FIELDS)

    assert put_response.status == 200
    assert put_response.content_type == "application/json; charset=utf-8"
    assert put_response.content == {
        **IDENTITY,
        **ALL_FIELDS,
        "merchant_updated_at": "2026-11-20T17:00:00Z",
        "balance": "0.00",
        "spending": spending(),
        "chargebacks": NO_REVERSALS,
        "returns": NO_REVERSALS,
    }
    assert api_driver.get(customer_path()) == put_response


def test_put_customer_omitted_fields_have_defaults(api_driver: ApiDriver) -> None:
    put_response = api_driver.put(customer_path(), suspended_reason=None).content

    assert {name: put_response[name] for name in ("status", *DEFAULT_FIELDS)} == {"status": "active", **DEFAULT_FIELDS}


def test_put_customer_same_content_writes_nothing(
    api_driver: ApiDriver, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    first_response = api_driver.put(customer_path(), **ALL_FIELDS)
    items_before = ledger_table.all_items()
    aws_calls.calls.clear()
    second_response = api_driver.at(NOON + timedelta(hours=1)).put(
        customer_path(), **ALL_FIELDS | {"self_imposed_month_limit": 1000}
    )

    assert second_response == first_response
    assert ledger_table.all_items() == items_before
    assert "UpdateItem" not in aws_calls.calls


@pytest.mark.parametrize("name", ALL_FIELDS)
def test_put_customer_omitted_field_resets_to_default(api_driver: ApiDriver, name: str) -> None:
    api_driver.put(customer_path(), **ALL_FIELDS)
    dropped_names = {"status", "suspended_reason"} if name in ("status", "suspended_reason") else {name}
    remaining_fields = {n: v for n, v in ALL_FIELDS.items() if n not in dropped_names}

    put_response = api_driver.at(NOON + timedelta(hours=1)).put(customer_path(), **remaining_fields).content

    assert put_response[name] == ("active" if name == "status" else None)
    assert {n: put_response[n] for n in remaining_fields} == remaining_fields
    assert put_response["merchant_updated_at"] == "2026-11-20T18:00:00Z"


def test_put_customer_keeps_balance_spending_and_reversal_counts(
    api_driver: ApiDriver, callback_driver: CallbackDriver, reverse: LambdaFunction
) -> None:
    callback_driver.authorize()
    callback_driver.confirm()
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1"))
    original = api_driver.get(customer_path()).content

    put_contents = [
        api_driver.put(customer_path(), **fields).content for fields in (ALL_FIELDS, {}, {"status": "closed"})
    ]

    assert original["balance"] == "99.00"
    assert [ledger_fields(content) for content in put_contents] == [ledger_fields(original)] * 3


def test_payments_keep_merchant_fields_of_customer(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    put_content = api_driver.put(customer_path(), self_imposed_day_limit="5000.00").content
    payments_later = callback_driver.at(NOON + timedelta(hours=1))
    payments_later.authorize()
    payments_later.confirm()

    returned = api_driver.get(customer_path()).content

    assert {name: returned[name] for name in NEVER_PUT} == {name: put_content[name] for name in NEVER_PUT}
    assert returned["balance"] == "100.00"


def test_authorize_follows_suspension_and_self_imposed_limit_put(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    api_driver.put(customer_path(), status="suspended", suspended_reason="identity_check")
    decisions = [callback_driver.authorize("1")]
    api_driver.put(customer_path(), self_imposed_day_limit="99.99")
    decisions.append(callback_driver.authorize("2"))
    api_driver.put(customer_path(), self_imposed_day_limit="100.00")

    assert [*decisions, callback_driver.authorize("3")] == [False, False, True]


def test_get_customer_never_put_returns_confirmed_payment(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.confirm()

    assert api_driver.get(customer_path()).content == {
        **IDENTITY,
        **NEVER_PUT,
        "balance": "100.00",
        "spending": spending("100.00", credit="100.00"),
        "chargebacks": NO_REVERSALS,
        "returns": NO_REVERSALS,
    }


def test_get_customer_never_put_returns_authorized_spending(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    callback_driver.authorize()

    returned = api_driver.get(customer_path()).content
    assert (returned["balance"], returned["spending"]["day"]["spent"]) == ("0.00", "100.00")


def test_get_customer_without_records_not_found(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    callback_driver.authorize(payment_currency="CAD")
    callback_driver.confirm("2", test="true")

    response = api_driver.get(customer_path())

    assert response.status == 404
    assert response.content["type"].endswith(":not-found")


def test_customers_separate_per_identifier_and_site(api_driver: ApiDriver, callback_driver: CallbackDriver) -> None:
    api_driver.put(customer_path(), self_imposed_day_limit="1000")
    api_driver.put(customer_path("2"), self_imposed_day_limit="2000")
    api_driver.put(customer_path(site=OTHER_SITE), self_imposed_day_limit="3000")
    callback_driver.confirm("1")
    callback_driver.confirm("2", payment_amount="0.02", site_customer_identifier="2")
    callback_driver.confirm("3", payment_amount="0.03", **site_changes(OTHER_SITE))

    paths = [customer_path(), customer_path("2"), customer_path(site=OTHER_SITE)]
    returned = [api_driver.get(path).content for path in paths]
    assert [content["self_imposed_day_limit"] for content in returned] == ["1000.00", "2000.00", "3000.00"]
    assert [content["balance"] for content in returned] == ["100.00", "0.02", "0.03"]
    assert [content["spending"]["week"]["spent"] for content in returned] == ["100.00", "0.02", "0.03"]
    assert api_driver.get(customer_path("2", site=OTHER_SITE)).status == 404


@pytest.mark.parametrize("identifier", ["a b", "user@example.com", "ä/ö?#&=+", "50%", "%41", "..", "1" * 256])
def test_customer_identifier_any_callback_value_accepted(
    api_driver: ApiDriver, callback_driver: CallbackDriver, identifier: str
) -> None:
    api_driver.put(customer_path(identifier), self_imposed_day_limit="99.99")
    accepted = callback_driver.authorize(site_customer_identifier=identifier)
    callback_driver.confirm(site_customer_identifier=identifier)

    returned = api_driver.get(customer_path(identifier)).content
    assert not accepted
    assert returned["site_customer_identifier"] == identifier
    assert (returned["self_imposed_day_limit"], returned["balance"]) == ("99.99", "100.00")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"status": "zq7"}, {"status"}),
        ({"status": "suspended"}, {"suspended_reason"}),
        ({"suspended_reason": "zq7"}, {"suspended_reason"}),
        ({"status": "closed", "suspended_reason": "zq7"}, {"suspended_reason"}),
        ({"status": "suspended", "suspended_reason": "zq7 reason"}, {"suspended_reason"}),
        ({"self_imposed_day_limit": "-0.01"}, {"self_imposed_day_limit"}),
        ({"self_imposed_week_limit": "zq7"}, {"self_imposed_week_limit"}),
        ({"self_imposed_month_limit": [1]}, {"self_imposed_month_limit"}),
        ({"self_imposed_year_limit": "1"}, {"self_imposed_year_limit"}),
        ({"balance": "1000000"}, {"balance"}),
        ({"site_customer_identifier": CUSTOMER}, {"site_customer_identifier"}),
        ({"site_identifier": OTHER_SITE, "status": "zq7"}, {"site_identifier"}),
    ],
    ids=str,
)
def test_put_customer_invalid_fields_reported_and_not_stored(
    api_driver: ApiDriver, ledger_table: LedgerFixture, content: dict[str, Any], names: set[str]
) -> None:
    response = api_driver.put(customer_path(), **content)

    assert parameter_errors(response).keys() == names
    assert "zq7" not in response.body
    assert ledger_table.all_items() == []
