from collections.abc import Callable
from typing import Any

import pytest

from paynearme.protocol.signing import verify
from tests.support.api_driver import READ_TIMEOUT, REJECTION, ApiDriver, parameter_errors, problem_type
from tests.support.callback_fixtures import SITE, SITES
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample, sample_names

PATH = "/payment-methods/find"
REQUEST = {"site_customer_identifier": "184120000"}
SAVED_METHODS = load_sample("find_payment_methods_response", "saved")


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, SAVED_METHODS)
    return ApiDriver(cold_start)


def accounts(api_driver: ApiDriver) -> list[dict[str, Any]]:
    response = api_driver.post(PATH, REQUEST)
    assert response.status == 200
    account_list: list[dict[str, Any]] = response.content["accounts"]
    return account_list


def test_find_methods_sample_returned_as_guaranteed_ach(api_driver: ApiDriver) -> None:
    common_fields = {"status": "active", "account_type": "Personal trustly_ach", "fee_amount": "0.00"}
    common_fields |= {"guaranteed_ach": True, "pull_enabled": True, "push_enabled": False}  # type: ignore[dict-item] # booleans
    savings = {"payment_method_identifier": "76590ef5135ae", "description": "Demo Savings Account"}
    checking = {"payment_method_identifier": "23b9e4ba13242", "description": "Demo Checking Account"}

    assert accounts(api_driver) == [
        common_fields | savings | {"number": "6213"},
        common_fields | checking | {"number": "6576"},
    ]


@pytest.mark.parametrize("name", sample_names("find_payment_methods"))
def test_find_methods_sample_requests_sent_signed(api_driver: ApiDriver, paynearme: PayNearMeStub, name: str) -> None:
    request = load_sample("find_payment_methods", name) | {"site_identifier": SITE, "signature": "f" * 64}

    assert api_driver.post(PATH, request).status == 200
    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/find_payment_methods"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert sent["site_customer_identifier"] == request["site_customer_identifier"]


def test_find_methods_none_saved_returns_empty_list(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    paynearme.default_reply = paynearme.replying(200, {"status": "ok", "accounts": []})

    assert accounts(api_driver) == []


@pytest.mark.parametrize(
    ("account_type", "guaranteed"),
    [
        ("Personal trustly_ach", True),
        ("TRUSTLY_ACH", True),
        ("Business trustly_ach", True),
        ("Personal ach", False),
        ("Personal not_trustly_ach", False),
        ("", False),
        (None, False),
    ],
)
def test_find_methods_guaranteed_ach_from_account_type(
    api_driver: ApiDriver, paynearme: PayNearMeStub, account_type: str | None, guaranteed: bool
) -> None:
    account = SAVED_METHODS["accounts"][0] | {"account_type": account_type}
    paynearme.default_reply = paynearme.replying(200, {"status": "ok", "accounts": [account]})

    [found_account] = accounts(api_driver)
    assert found_account["guaranteed_ach"] is guaranteed


def test_find_methods_unknown_fields_omitted_values_normalized(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    account = {
        "payment_method_identifier": 76590,
        "pull_enabled": True,
        "push_enabled": "zq7",
        "number": 6213,
        "fee_amount": 1.5,
        "holder_pii": "zq7",
    }
    paynearme.default_reply = paynearme.replying(200, {"status": "ok", "accounts": [account], "more": "zq7"})

    [found_account] = accounts(api_driver)
    assert found_account == {
        "payment_method_identifier": "76590",
        "guaranteed_ach": False,
        "status": None,
        "description": None,
        "account_type": None,
        "pull_enabled": True,
        "push_enabled": None,
        "number": "6213",
        "fee_amount": "1.50",
    }


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "ok"},
        {"status": "ok", "accounts": None},
        {"status": "ok", "accounts": "zq7"},
        {"status": "ok", "accounts": ["zq7"]},
        {"status": "ok", "accounts": [{}]},
        {"status": "ok", "accounts": [{"payment_method_identifier": ""}]},
        {"status": "ok", "accounts": [{"payment_method_identifier": ["zq7"]}]},
        {"status": "zq7", "accounts": []},
        ["zq7"],
        b"<html>zq7</html>",
    ],
    ids=str,
)
def test_find_methods_invalid_response_is_upstream_error(
    api_driver: ApiDriver, paynearme: PayNearMeStub, reply: object
) -> None:
    paynearme.default_reply = paynearme.replying(200, reply)

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == (502, "paynearme-error")
    assert "zq7" not in response.body


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (READ_TIMEOUT, (504, "paynearme-timeout")),
        ((500, b"<html>"), (502, "paynearme-error")),
        ((429, {"status": "error"}), (502, "paynearme-error")),
    ],
    ids=["timeout", "500", "429"],
)
def test_find_methods_retryable_error_sent_three_times(
    paynearme_behind_urllib3: PayNearMeStub, api_driver: ApiDriver, reply: Any, expected: tuple[int, str]
) -> None:
    paynearme_behind_urllib3.reply(reply)

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == expected
    assert len(paynearme_behind_urllib3.sent) == 3


def test_find_methods_rejection_returns_paynearme_errors(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    paynearme.default_reply = paynearme.replying(200, REJECTION)

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == (422, "rejected-by-paynearme")
    assert response.content["errors"] == REJECTION["errors"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({}, "site_customer_identifier"),
        ({"site_customer_identifier": ""}, "site_customer_identifier"),
        (REQUEST | {"zq7": "1"}, "zq7"),
        (REQUEST | {"site_identifier": "zq7"}, "site_identifier"),
    ],
    ids=str,
)
def test_find_methods_invalid_parameter_is_named_and_not_sent(
    api_driver: ApiDriver, paynearme: PayNearMeStub, content: dict[str, str], name: str
) -> None:
    assert parameter_errors(api_driver.post(PATH, content)).keys() == {name}
    assert paynearme.sent == []


def test_find_methods_without_site_keys_unavailable(
    api_driver: ApiDriver, paynearme: PayNearMeStub, sites_secret: SitesSecret
) -> None:
    sites_secret.delete()

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == (503, "unavailable")
    assert paynearme.sent == []


def test_find_methods_response_not_stored_or_logged(
    api_driver: ApiDriver, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    accounts(api_driver)

    assert ledger_table.all_items() == []
    [line] = captured_output.logs()
    assert (line["operation"], line["status"]) == ("find_payment_methods", 200)
    for account in SAVED_METHODS["accounts"]:
        assert account["payment_method_identifier"] not in captured_output.text()
        assert account["description"] not in captured_output.text()
