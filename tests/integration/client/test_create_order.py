from collections.abc import Callable
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from paynearme.protocol.signing import verify
from tests.support.api_driver import (
    CONNECTION_REFUSED,
    READ_TIMEOUT,
    REJECTION,
    ApiDriver,
    order_path,
    parameter_errors,
    problem_type,
)
from tests.support.callback_driver import NOON
from tests.support.callback_fixtures import SITE, SITES, authorization
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample

CREATED_REPLY = load_sample("create_order_response", "guaranteed_ach")
ORDER = "82882345534"
REQUEST = load_sample("create_order", "guaranteed_ach") | {"site_identifier": f"{SITE} "}
PII_FIELDS = {
    "site_customer_first_name": "zq7first",
    "site_customer_last_name": "zq7last",
    "site_customer_email": "zq7@example.com",
    "site_customer_phone": "zq7-555-1212",
    "site_customer_street": "zq7 Street",
    "site_customer_city": "zq7 City",
}
RETURNED_ORDER = {
    "pnm_order_identifier": ORDER,
    "site_order_identifier": "6969675870",
    "pnm_order_short_identifier": "LT95NN",
    "pnm_customer_identifier": "U4557822272",
    "site_customer_identifier": "575530001",
    "order_status": "open",
    "order_type": "any",
    "order_is_standing": True,
    "order_amount": "500.00",
    "order_currency": "USD",
    "minimum_payment_amount": "0.00",
}
LINKS = ("secure_smart_token", "secure_smart_link", "order_tracking_url")
UPSTREAM_ERRORS: dict[str, tuple[Any, tuple[int, str]]] = {
    "timeout": (READ_TIMEOUT, (504, "paynearme-timeout")),
    "truncated": (ProtocolError("truncated"), (502, "paynearme-error")),
    "500": ((500, {"status": "error"}), (502, "paynearme-error")),
    "503": ((503, b"<html>"), (502, "paynearme-error")),
    "429": ((429, {"status": "error"}), (502, "paynearme-error")),
    "401": ((401, {"status": "error"}), (502, "credentials-rejected")),
    "403": ((403, {"status": "error"}), (502, "credentials-rejected")),
    "HTML": ((200, b"<html>"), (502, "paynearme-error")),
    "rejected": ((200, REJECTION), (422, "rejected-by-paynearme")),
}


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, CREATED_REPLY)
    return ApiDriver(cold_start)


def created(**changes: object) -> dict[str, Any]:
    return {"status": "ok", "order": CREATED_REPLY["order"] | changes}


def test_create_order_sample_returns_documented_fields_only(api_driver: ApiDriver) -> None:
    response = api_driver.post("/orders", REQUEST)

    assert response.status == 200
    returned = response.content["order"]
    methods = returned.pop("payment_methods")
    links = {name: CREATED_REPLY["order"][name] for name in LINKS}
    assert returned == RETURNED_ORDER | links
    assert [(method["type"], method["fee_amount"], method["accounts"]) for method in methods] == [
        ("ach", "0.00", []),
        ("apple_pay_credit", "0.00", []),
        ("paypal", "10.00", []),
        ("debit", "0.00", []),
        ("credit", "0.00", []),
        ("gpay", "0.00", []),
        ("apple_pay_debit", "0.00", []),
    ]
    assert "Venkman" not in response.body


def test_create_order_returns_saved_methods_with_guaranteed_ach(
    api_driver: ApiDriver, paynearme: PayNearMeStub
) -> None:
    accounts = load_sample("find_payment_methods_response", "saved")["accounts"]
    methods = [{"type": "ach", "accounts": accounts}, {"type": "debit", "accounts": [{"payment_method_identifier": 7}]}]
    paynearme.default_reply = paynearme.replying(200, created(electronic_payments={"payment_methods": methods}))

    ach, debit = api_driver.post("/orders", REQUEST).content["order"]["payment_methods"]

    assert [account["guaranteed_ach"] for account in ach["accounts"]] == [True, True]
    [account] = debit["accounts"]
    assert (account["payment_method_identifier"], account["guaranteed_ach"]) == ("7", False)


def test_create_order_request_sent_signed_and_as_text(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    api_driver.post("/orders", REQUEST)

    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/create_order"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    as_text = REQUEST | {"order_amount": "500.00", "order_is_standing": "true", "site_identifier": SITE}
    assert {name: sent[name] for name in REQUEST} == as_text


def test_create_order_stores_order_in_ledger(api_driver: ApiDriver) -> None:
    api_driver.at(NOON).post("/orders", REQUEST)

    assert api_driver.get(order_path(ORDER)).content == {
        "site_identifier": SITE,
        "pnm_order_identifier": ORDER,
        "status": "open",
        "order_type": "any",
        "order_amount": "500.00",
        "minimum_payment_amount": None,
        "expires_at": None,
        "merchant_updated_at": "2026-11-20T17:00:00Z",
    }


@pytest.mark.parametrize(
    ("request_changes", "reply", "stored_order"),
    [
        ({"order_type": "exact"}, {}, {"order_type": "exact", "order_amount": "500.00"}),
        ({"order_type": "up-to", "order_amount": 25.5}, {}, {"order_type": "up-to", "order_amount": "25.50"}),
        ({}, {"minimum_payment_amount": "20.00"}, {"minimum_payment_amount": "20.00"}),
        ({}, {"minimum_payment_amount": 20}, {"minimum_payment_amount": "20.00"}),
        ({}, {"minimum_payment_amount": None}, {"minimum_payment_amount": None}),
    ],
    ids=str,
)
def test_create_order_stores_requested_type_and_amounts(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    request_changes: dict[str, Any],
    reply: dict[str, Any],
    stored_order: dict[str, Any],
) -> None:
    paynearme.default_reply = paynearme.replying(200, created(**reply))

    assert api_driver.post("/orders", REQUEST | request_changes).status == 200
    returned = api_driver.get(order_path(ORDER)).content
    assert {name: returned[name] for name in stored_order} == stored_order


def test_create_order_payment_passes_unknown_order_rule(
    api_driver: ApiDriver, authorize: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(unknown_order="decline")

    def accept_payment(number: str) -> str:
        message = authorization(pnm_order_identifier=ORDER, pnm_payment_identifier=number)
        return authorize(message).fields["accept_payment"]

    first_decision = accept_payment("1")
    api_driver.post("/orders", REQUEST)

    assert (first_decision, accept_payment("2")) == ("no", "yes")


def test_create_order_keeps_earlier_order_of_merchant(api_driver: ApiDriver) -> None:
    put_response = api_driver.at(NOON).put(order_path(ORDER), status="closed", order_type="up-to", order_amount="7.00")

    assert api_driver.post("/orders", REQUEST).status == 200
    assert api_driver.get(order_path(ORDER)).content == put_response.content


def test_create_order_duplicate_changes_nothing(api_driver: ApiDriver, ledger_table: LedgerFixture) -> None:
    api_driver.at(NOON).post("/orders", REQUEST)
    items_before = ledger_table.all_items()

    assert api_driver.post("/orders", REQUEST).status == 200
    assert ledger_table.all_items() == items_before


@pytest.mark.parametrize(("reply", "expected"), UPSTREAM_ERRORS.values(), ids=UPSTREAM_ERRORS)
def test_create_order_upstream_error_sent_once_stores_nothing(
    paynearme_behind_urllib3: PayNearMeStub,
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    paynearme_behind_urllib3.reply(reply)

    response = api_driver.post("/orders", REQUEST)

    assert (response.status, problem_type(response)) == expected
    assert len(paynearme_behind_urllib3.sent) == 1
    assert ledger_table.all_items() == []


def test_create_order_connection_refused_is_retried(
    paynearme_behind_urllib3: PayNearMeStub, api_driver: ApiDriver
) -> None:
    paynearme_behind_urllib3.next_replies = [CONNECTION_REFUSED.reason] * 2  # type: ignore[list-item] # the reason is set

    assert api_driver.post("/orders", REQUEST).status == 200
    assert len(paynearme_behind_urllib3.sent) == 3


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "ok"},
        {"status": "ok", "order": []},
        {"status": "ok", "order": {"order_status": "open"}},
        created(pnm_order_identifier=None),
        created(pnm_order_identifier=""),
        created(pnm_order_identifier="zq7 order"),
        created(pnm_order_identifier={"zq7": 1}),
        created(pnm_order_identifier=True),
    ],
    ids=["no order", "list", "no identifier", "null", "empty", "space", "object", "boolean"],
)
def test_create_order_response_without_order_is_upstream_error(
    api_driver: ApiDriver, paynearme: PayNearMeStub, ledger_table: LedgerFixture, reply: object
) -> None:
    paynearme.default_reply = paynearme.replying(200, reply)

    response = api_driver.post("/orders", REQUEST)

    assert (response.status, problem_type(response)) == (502, "paynearme-error")
    assert "zq7" not in response.body
    assert ledger_table.all_items() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"customer": None, "electronic_payments": None},
        {"electronic_payments": {"payment_methods": None}},
        {"electronic_payments": {"payment_methods": [{"type": "ach", "accounts": None}, "zq7"]}},
        {"minimum_payment_amount": "-1.00"},
        {"order_is_standing": "zq7", "order_status": 7, "order_currency": ["zq7"]},
        {"order_amount": 1e99, "secure_smart_link": {"zq7": 1}},
    ],
    ids=str,
)
def test_create_order_malformed_optional_fields_order_stored(
    api_driver: ApiDriver, paynearme: PayNearMeStub, changes: dict[str, object]
) -> None:
    paynearme.default_reply = paynearme.replying(200, created(**changes))

    response = api_driver.post("/orders", REQUEST)

    assert response.status == 200
    assert "zq7" not in response.body
    assert api_driver.get(order_path(ORDER)).content["minimum_payment_amount"] is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"order_amount": "0"}, "order_amount"),
        ({"order_currency": "CAD"}, "order_currency"),
        ({"order_type": "zq7"}, "order_type"),
        ({"order_is_standing": "zq7"}, "order_is_standing"),
        ({"site_customer_identifier": None}, "site_customer_identifier"),
        ({"site_customer_year_of_birth": "zq7"}, "site_customer_year_of_birth"),
        ({"site_customer_email": ""}, "site_customer_email"),
        ({"zq7": "1"}, "zq7"),
        ({"site_identifier": "zq7"}, "site_identifier"),
    ],
    ids=str,
)
def test_create_order_invalid_parameter_is_named_and_not_sent(
    api_driver: ApiDriver, paynearme: PayNearMeStub, changes: dict[str, Any], name: str
) -> None:
    assert parameter_errors(api_driver.post("/orders", REQUEST | changes)).keys() == {name}
    assert paynearme.sent == []


def test_create_order_customer_data_sent_not_stored_or_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    customer = {"site_customer_identifier": "1", "pnm_customer_name": "zq7name"}
    paynearme.default_reply = paynearme.replying(200, created(customer=customer))

    response = api_driver.post("/orders", REQUEST | PII_FIELDS)

    assert {name: paynearme.sent[0][name] for name in PII_FIELDS} == PII_FIELDS
    assert "zq7" not in response.body + str(ledger_table.all_items()) + captured_output.text()
    assert CREATED_REPLY["order"]["secure_smart_token"] not in str(ledger_table.all_items()) + captured_output.text()
    assert {item["pk"] for item in ledger_table.all_items()} == {f"ORDER#{SITE}#{ORDER}"}
