"""Store the schema number in every item."""

import pytest

from paynearme.platform import dynamodb
from paynearme.platform.dynamodb import SCHEMA_VERSION
from tests.support.api_driver import ApiDriver, SubmissionScenario, customer_path, order_path
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at
from tests.support.harness import LambdaFunction, LedgerFixture


def test_schema_version_created_items_contain_it(
    callback_driver: CallbackDriver,
    reverse: LambdaFunction,
    submission: SubmissionScenario,
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
) -> None:
    callback_driver.authorize()
    callback_driver.confirm(site_payment_identifier="submitted-1")
    callback_driver.decline("2", site_customer_identifier="3")
    send_at(NOON, reverse, reversal())
    submission.submit()
    api_driver.put(order_path())
    api_driver.put(customer_path("2"))

    items = ledger_table.all_items()
    expected_kinds = {"PAYMENT", "SPENDING", "CUSTOMER", "SITE_PAYMENT", "INTENT", "ORDER"}
    assert {item["pk"].split("#")[0] for item in items} == expected_kinds
    assert {item["sk"] for item in items if item["pk"].startswith("CUSTOMER#")} == {"ACCOUNT", "REVERSALS#2026"}
    assert {item.get("schema_version") for item in items} == {SCHEMA_VERSION}


def test_schema_version_existing_items_keep_it(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(dynamodb, "SCHEMA_VERSION", 7)
        callback_driver.authorize()

    callback_driver.confirm()

    versions = {item["sk"]: item["schema_version"] for item in ledger_table.all_items()}
    assert versions == {"PAYMENT": 7, "SPENDING": 7, "ACCOUNT": dynamodb.SCHEMA_VERSION}
