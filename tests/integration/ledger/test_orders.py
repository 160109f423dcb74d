from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.api_driver import ORDER, ApiDriver, order_path, parameter_errors
from tests.support.callback_driver import NOON, send_at
from tests.support.callback_fixtures import SITE, SITE_OF_3_0_IN_XML, authorization
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture

ALL_FIELDS: dict[str, Any] = {
    "status": "closed",
    "order_type": "up-to",
    "order_amount": "500.00",
    "minimum_payment_amount": "0.50",
    "expires_at": "2026-11-20T18:00:00.25-05:00",
}
DEFAULT_FIELDS = {"order_amount": None, "minimum_payment_amount": None, "expires_at": None}
IDENTITY = {"site_identifier": SITE, "pnm_order_identifier": ORDER}


def test_order_put_and_get_return_normalized_fields(api_driver: ApiDriver) -> None:
    put_response = api_driver.at(NOON).put(order_path(), **ALL_FIELDS)

    assert put_response.status == 200
    assert put_response.content_type == "application/json; charset=utf-8"
    assert put_response.content == {
        **IDENTITY,
        **ALL_FIELDS,
        "expires_at": "2026-11-20T23:00:00.250000Z",
        "merchant_updated_at": "2026-11-20T17:00:00Z",
    }
    assert api_driver.get(order_path()) == put_response


def test_order_put_omitted_fields_use_defaults(api_driver: ApiDriver) -> None:
    assert api_driver.put(order_path(), order_amount=None).status == 200

    returned = api_driver.get(order_path()).content
    del returned["merchant_updated_at"]
    assert returned == {**IDENTITY, "status": "open", "order_type": "any", **DEFAULT_FIELDS}


def test_order_put_stores_typed_item(api_driver: ApiDriver, ledger_table: LedgerFixture) -> None:
    api_driver.at(NOON).put(order_path(), **ALL_FIELDS)

    [item] = ledger_table.all_items()
    assert item == {
        "pk": f"ORDER#{SITE}#{ORDER}",
        "sk": "ORDER",
        **IDENTITY,
        **ALL_FIELDS,
        "order_amount": Decimal(500),
        "minimum_payment_amount": Decimal("0.5"),
        "expires_at": "2026-11-20T23:00:00.250000+00:00",
        "merchant_updated_at": "2026-11-20T17:00:00+00:00",
        "schema_version": 1,
    }


def test_order_status_closed_declines_until_open(
    api_driver: ApiDriver, authorize: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    def decision_of(payment_id: str) -> str:
        response = authorize(authorization(pnm_payment_identifier=payment_id))
        return response.fields["accept_payment"]

    deployed_policy.put_defaults(unknown_order="decline")
    decisions = [decision_of("1")]
    api_driver.put(order_path(), status="closed")
    decisions.append(decision_of("2"))
    api_driver.put(order_path())

    assert [*decisions, decision_of("3")] == ["no", "no", "yes"]


def test_order_put_duplicate_changes_nothing(
    api_driver: ApiDriver, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    first_response = api_driver.at(NOON).put(order_path(), **ALL_FIELDS)
    items_before = ledger_table.all_items()
    # Equal values in other formats.
    reformatted_fields = ALL_FIELDS | {"order_amount": 500, "expires_at": "2026-11-20T23:00:00.250Z"}
    aws_calls.calls.clear()
    second_response = api_driver.at(NOON + timedelta(days=1)).put(order_path(), **reformatted_fields)

    assert second_response == first_response
    assert ledger_table.all_items() == items_before
    assert "UpdateItem" not in aws_calls.calls


@pytest.mark.parametrize("name", ALL_FIELDS)
def test_order_put_omitted_field_returns_to_default(api_driver: ApiDriver, name: str) -> None:
    api_driver.at(NOON).put(order_path(), **ALL_FIELDS)
    remaining_fields = {n: v for n, v in ALL_FIELDS.items() if n != name}
    if name == "order_amount":
        remaining_fields["order_type"] = "any"

    an_hour_later = NOON + timedelta(hours=1)
    put_response = api_driver.at(an_hour_later).put(order_path(), **remaining_fields)

    default = {"status": "open", "order_type": "any"}.get(name)
    assert put_response.content[name] == default
    assert put_response.content["merchant_updated_at"] == "2026-11-20T18:00:00Z"
    assert api_driver.get(order_path()) == put_response


def test_orders_separate_by_identifier_and_site(api_driver: ApiDriver) -> None:
    api_driver.put(order_path(), order_amount="1")
    api_driver.put(order_path("2"), order_amount="2")
    api_driver.put(order_path(site=SITE_OF_3_0_IN_XML), order_amount="3")

    paths = [order_path(), order_path("2"), order_path(site=SITE_OF_3_0_IN_XML)]
    assert [api_driver.get(path).content["order_amount"] for path in paths] == ["1.00", "2.00", "3.00"]
    assert api_driver.get(order_path("2", site=SITE_OF_3_0_IN_XML)).status == 404


@pytest.mark.parametrize(
    ("amount", "returned"), [("0.01", "0.01"), ("5", "5.00"), (25.5, "25.50"), ("999999999999.99", "999999999999.99")]
)
def test_order_amounts_exact(api_driver: ApiDriver, amount: Any, returned: str) -> None:
    assert api_driver.put(order_path(), order_amount=amount).content["order_amount"] == returned
    assert api_driver.get(order_path()).content["order_amount"] == returned


def test_order_get_unknown_returns_not_found(api_driver: ApiDriver, authorize: LambdaFunction) -> None:
    # A payment for an order does not record the order.
    send_at(datetime.now(UTC), authorize, authorization())

    response = api_driver.get(order_path())

    assert response.status == 404
    assert response.content["type"].endswith(":not-found")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"status": "zq7"}, {"status"}),
        ({"status": ""}, {"status"}),
        ({"order_type": "zq7"}, {"order_type"}),
        ({"order_type": "exact"}, {"order_amount"}),
        ({"order_type": "up-to", "order_amount": None}, {"order_amount"}),
        ({"order_amount": "zq7"}, {"order_amount"}),
        ({"order_amount": "0"}, {"order_amount"}),
        ({"minimum_payment_amount": "-1"}, {"minimum_payment_amount"}),
        ({"order_amount": "1", "minimum_payment_amount": "1.01"}, {"minimum_payment_amount"}),
        ({"expires_at": "2026-11-20T18:00:00"}, {"expires_at"}),
        ({"expires_at": {"zq7": 1}}, {"expires_at"}),
        ({"site_identifier": SITE}, {"site_identifier"}),
        ({"pnm_order_identifier": "zq7"}, {"pnm_order_identifier"}),
        ({"status": "zq7", "order_amount": "zq7", "zq7": 1}, {"status", "order_amount", "zq7"}),
        ({"test": True}, {"test"}),
    ],
    ids=lambda part: str(sorted(part)) if isinstance(part, set) else str(part),
)
def test_order_put_invalid_field_rejected_and_not_stored(
    api_driver: ApiDriver, ledger_table: LedgerFixture, content: dict[str, Any], names: set[str]
) -> None:
    response = api_driver.put(order_path(), **content)

    assert parameter_errors(response).keys() == names
    assert "zq7" not in "".join(parameter_errors(response).values())
    assert ledger_table.all_items() == []


@pytest.mark.parametrize("identifier", ["", "a b", "1" * 65, "%", "pnm_order_identifier1", "..", "é"])
def test_order_identifier_invalid_rejected(api_driver: ApiDriver, ledger_table: LedgerFixture, identifier: str) -> None:
    for response in (api_driver.get(order_path(identifier)), api_driver.put(order_path(identifier))):
        assert parameter_errors(response).keys() == {"pnm_order_identifier"}
    assert ledger_table.all_items() == []


def test_order_get_query_parameter_rejected(api_driver: ApiDriver) -> None:
    assert parameter_errors(api_driver.get(order_path(), test="true")).keys() == {"test"}
    assert parameter_errors(api_driver.get(order_path(), site_identifier=SITE)).keys() == {"site_identifier"}
