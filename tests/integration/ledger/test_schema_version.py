"""Store the schema number in every item."""

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
    callback_driver: CallbackDriver, api_driver: ApiDriver, ledger_table: LedgerFixture
) -> None:
    api_driver.put(customer_path())
    [item] = ledger_table.all_items()
    ledger_table.client.update_item(
        TableName=ledger_table.table_name,
        Key={name: {"S": item[name]} for name in ("pk", "sk")},
        UpdateExpression="SET schema_version = :version",
        ExpressionAttributeValues={":version": {"N": "7"}},
    )

    callback_driver.confirm()
    api_driver.put(customer_path(), status="closed")

    [account] = [item for item in ledger_table.all_items() if item["sk"] == "ACCOUNT"]
    assert (account["schema_version"], account["balance"], account["status"]) == (7, 100, "closed")
