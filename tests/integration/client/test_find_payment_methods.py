from collections.abc import Callable

import pytest

from paynearme.protocol.signing import verify
from tests.support.api_driver import REJECTION, ApiDriver, parameter_errors, problem_type
from tests.support.callback_fixtures import SITE, SITES
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample

PATH = "/payment-methods/find"
REQUEST = {"site_customer_identifier": "184120000"}
SAVED_METHODS = load_sample("find_payment_methods_response", "saved")


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, SAVED_METHODS)
    return ApiDriver(cold_start)


def test_find_methods_sample_sent_signed_not_stored_or_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    request = load_sample("find_payment_methods", "saved") | {"site_identifier": SITE, "signature": "f" * 64}

    response = api_driver.post(PATH, request)

    common_fields: dict[str, object] = {"status": "active", "account_type": "Personal trustly_ach"}
    common_fields |= {"fee_amount": "0.00", "guaranteed_ach": True, "pull_enabled": True, "push_enabled": False}
    savings = {"payment_method_identifier": "76590ef5135ae", "description": "Demo Savings Account"}
    checking = {"payment_method_identifier": "23b9e4ba13242", "description": "Demo Checking Account"}
    accounts = [common_fields | savings | {"number": "6213"}, common_fields | checking | {"number": "6576"}]
    assert (response.status, response.content) == (200, {"accounts": accounts})
    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/find_payment_methods"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert sent["site_customer_identifier"] == request["site_customer_identifier"]
    assert ledger_table.all_items() == []
    [line] = captured_output.logs()
    assert (line["operation"], line["status"]) == ("find_payment_methods", 200)
    assert not [text for method in (savings, checking) for text in method.values() if text in captured_output.text()]


def test_find_methods_none_saved_returns_empty_list(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    paynearme.reply((200, {"status": "ok", "accounts": []}))

    assert api_driver.post(PATH, REQUEST).content == {"accounts": []}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((200, {"status": "ok", "accounts": [{"holder": "zq7"}]}), (502, "paynearme-error")),
        ((200, REJECTION), (422, "rejected-by-paynearme")),
    ],
    ids=["invalid", "rejected"],
)
def test_find_methods_upstream_error_returned_as_problem(
    api_driver: ApiDriver, paynearme: PayNearMeStub, reply: tuple[int, object], expected: tuple[int, str]
) -> None:
    paynearme.reply(reply)

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == expected
    assert "zq7" not in response.body


@pytest.mark.parametrize(
    ("content", "name"),
    [({}, "site_customer_identifier"), (REQUEST | {"site_identifier": "zq7"}, "site_identifier")],
)
def test_find_methods_invalid_parameter_is_named_and_not_sent(
    api_driver: ApiDriver, paynearme: PayNearMeStub, content: dict[str, str], name: str
) -> None:
    assert parameter_errors(api_driver.post(PATH, content)).keys() == {name}
    assert paynearme.sent == []
