"""Malformed optional fields are ignored and logged, and the callback is processed."""

from decimal import Decimal

import pytest

from tests.support.callback_fixtures import CUSTOMER, TRANSPORTS, authorization, confirmation
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

MALFORMED_VALUES = {"payment_date": "2025-06-03", "pnm_processing_fee": "4.990", "due_to_site_currency": "usd"}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ignored_parameters_authorization_accepted_names_logged(
    authorize: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, transport: str
) -> None:
    response = authorize(authorization(**MALFORMED_VALUES), TRANSPORTS[transport])

    assert response.status == 200
    assert response.fields["accept_payment"] == "yes"
    assert ledger_table.payment()["decision"] == "accept"
    [line] = captured_output.logs()
    assert line["ignored_parameters"] == sorted(MALFORMED_VALUES)
    assert captured_output.metric_total("OptionalFieldsIgnored") == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ignored_parameters_confirmation_posted_names_logged(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, transport: str
) -> None:
    response = confirm(confirmation(**MALFORMED_VALUES), TRANSPORTS[transport])

    assert response.status == 200
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    [line] = captured_output.logs()
    assert line["ignored_parameters"] == sorted(MALFORMED_VALUES)
    assert captured_output.metric_total("OptionalFieldsIgnored") == 1


@pytest.mark.parametrize("name", MALFORMED_VALUES)
def test_ignored_parameter_logged_by_name_without_value(
    confirm: LambdaFunction, captured_output: CapturedOutput, name: str
) -> None:
    value = "zq7 " + MALFORMED_VALUES[name]
    assert confirm(confirmation(**{name: value})).status == 200

    [line] = captured_output.logs()
    assert line["ignored_parameters"] == [name]
    assert value not in captured_output.text()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"payment_date": "1748969961", "pnm_processing_fee": "4.99", "due_to_site_currency": "USD"},
        dict.fromkeys(MALFORMED_VALUES, ""),
        {"a_new_one": "?"},
    ],
    ids=["absent", "valid", "empty", "unknown"],
)
def test_ignored_parameters_valid_absent_or_unknown_not_logged(
    confirm: LambdaFunction, captured_output: CapturedOutput, changes: dict[str, str]
) -> None:
    assert confirm(confirmation(**changes)).status == 200

    [line] = captured_output.logs()
    assert "ignored_parameters" not in line
    assert captured_output.metric_total("OptionalFieldsIgnored") == 0


@pytest.mark.parametrize("name", ["payment_amount", "net_payment_amount", "net_payment_currency", "test"])
def test_confirmation_malformed_money_parameter_returns_400(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, name: str
) -> None:
    assert confirm(confirmation(**{name: "4.990"})).status == 400

    assert ledger_table.all_items() == []
    assert captured_output.metric_total("OptionalFieldsIgnored") == 0
