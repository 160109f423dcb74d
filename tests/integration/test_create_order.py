from collections.abc import Callable
from typing import Any

import pytest
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from paynearme.signing import verify
from tests.documents import documented
from tests.integration.backend_calls import Backend, faults, kind, order
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.making_payments import REFUSAL, REFUSED_CONNECTION
from tests.integration.observed import Function, Stored, Written
from tests.integration.payments_over_time import NOON
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE, SITES, authorization

CREATED = documented("create_order_answer", "guaranteed_ach")
ORDER = "82882345534"
REQUEST = documented("create_order", "guaranteed_ach") | {"site_identifier": f"{SITE} "}
PERSONAL = {
    "site_customer_first_name": "zq7first",
    "site_customer_last_name": "zq7last",
    "site_customer_email": "zq7@example.com",
    "site_customer_phone": "zq7-555-1212",
    "site_customer_street": "zq7 Street",
    "site_customer_city": "zq7 City",
}
SLOW = ReadTimeoutError(HTTPSConnectionPool("paynearme.invalid"), "/", "slow")
RETURNED = {
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
OUT_OF_ORDER: dict[str, tuple[Any, tuple[int, str]]] = {
    "hangs": (SLOW, (504, "paynearme-timeout")),
    "cut": (ProtocolError("cut"), (502, "paynearme-error")),
    "500": ((500, {"status": "error"}), (502, "paynearme-error")),
    "503": ((503, b"<html>"), (502, "paynearme-error")),
    "429": ((429, {"status": "error"}), (502, "paynearme-error")),
    "401": ((401, {"status": "error"}), (502, "credentials-rejected")),
    "403": ((403, {"status": "error"}), (502, "credentials-rejected")),
    "HTML": ((200, b"<html>"), (502, "paynearme-error")),
    "refused": ((200, REFUSAL), (422, "rejected-by-paynearme")),
}


@pytest.fixture
def backend(paynearme: PayNearMeStub, cold_start: Callable[[str], Function]) -> Backend:
    paynearme.answer = paynearme.saying(200, CREATED)
    return Backend(cold_start)


def created(**changes: object) -> dict[str, Any]:
    return {"status": "ok", "order": CREATED["order"] | changes}


def test_the_guides_order_is_created_and_told_trimmed(backend: Backend) -> None:
    answer = backend.post("/orders", REQUEST)

    assert answer.status == 200
    told = answer.content["order"]
    methods = told.pop("payment_methods")
    links = {name: CREATED["order"][name] for name in LINKS}
    assert told == RETURNED | links
    assert [(method["type"], method["fee_amount"], method["accounts"]) for method in methods] == [
        ("ach", "0.00", []),
        ("apple_pay_credit", "0.00", []),
        ("paypal", "10.00", []),
        ("debit", "0.00", []),
        ("credit", "0.00", []),
        ("gpay", "0.00", []),
        ("apple_pay_debit", "0.00", []),
    ]
    assert "Venkman" not in answer.body


def test_saved_methods_are_told_by_type_and_guaranteed_ach_is_recognisable(
    backend: Backend, paynearme: PayNearMeStub
) -> None:
    accounts = documented("find_payment_methods_answer", "saved")["accounts"]
    methods = [
        {"type": "ach", "accounts": accounts},
        {"type": "debit", "accounts": [{"payment_method_identifier": 7}]},
    ]
    paynearme.answer = paynearme.saying(200, created(electronic_payments={"payment_methods": methods}))

    ach, debit = backend.post("/orders", REQUEST).content["order"]["payment_methods"]

    assert [account["guaranteed_ach"] for account in ach["accounts"]] == [True, True]
    [account] = debit["accounts"]
    assert (account["payment_method_identifier"], account["guaranteed_ach"]) == ("7", False)


def test_what_is_asked_is_sent_signed_and_as_text(backend: Backend, paynearme: PayNearMeStub) -> None:
    backend.post("/orders", REQUEST)

    [sent] = paynearme.sent
    assert paynearme.addresses == ["POST https://api.paynearme.invalid/json-api/create_order"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    as_text = REQUEST | {"order_amount": "500.00", "order_is_standing": "true", "site_identifier": SITE}
    assert {name: sent[name] for name in REQUEST} == as_text


def test_the_ledger_knows_the_order_then(backend: Backend) -> None:
    backend.at(NOON).post("/orders", REQUEST)

    assert backend.get(order(ORDER)).content == {
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
    ("asked", "said", "known"),
    [
        ({"order_type": "exact"}, {}, {"order_type": "exact", "order_amount": "500.00"}),
        ({"order_type": "up-to", "order_amount": 25.5}, {}, {"order_type": "up-to", "order_amount": "25.50"}),
        ({}, {"minimum_payment_amount": "20.00"}, {"minimum_payment_amount": "20.00"}),
        ({}, {"minimum_payment_amount": 20}, {"minimum_payment_amount": "20.00"}),
        ({}, {"minimum_payment_amount": None}, {"minimum_payment_amount": None}),
    ],
    ids=str,
)
def test_the_ledger_knows_what_was_asked_for(
    backend: Backend, paynearme: PayNearMeStub, asked: dict[str, Any], said: dict[str, Any], known: dict[str, Any]
) -> None:
    paynearme.answer = paynearme.saying(200, created(**said))

    assert backend.post("/orders", REQUEST | asked).status == 200
    told = backend.get(order(ORDER)).content
    assert {name: told[name] for name in known} == known


def test_a_payment_for_it_is_accepted_where_unknown_orders_are_declined(
    backend: Backend, authorize: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(unknown_order="decline")

    def asked(number: str) -> str:
        message = authorization(pnm_order_identifier=ORDER, pnm_payment_identifier=number)
        return authorize(message).fields["accept_payment"]

    before = asked("1")
    backend.post("/orders", REQUEST)

    assert (before, asked("2")) == ("no", "yes")


def test_what_the_merchant_fed_before_stands(backend: Backend) -> None:
    fed = backend.at(NOON).put(order(ORDER), status="closed", order_type="up-to", order_amount="7.00")

    assert backend.post("/orders", REQUEST).status == 200
    assert backend.get(order(ORDER)).content == fed.content


def test_the_same_order_again_changes_nothing(backend: Backend, stored: Stored) -> None:
    backend.at(NOON).post("/orders", REQUEST)
    before = stored.everything()

    assert backend.post("/orders", REQUEST).status == 200
    assert stored.everything() == before


@pytest.mark.parametrize(("said", "told"), OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_paynearme_out_of_order_is_asked_once_and_nothing_is_known(
    paynearme_behind_urllib3: PayNearMeStub, backend: Backend, stored: Stored, said: Any, told: tuple[int, str]
) -> None:
    paynearme_behind_urllib3.say(said)

    answer = backend.post("/orders", REQUEST)

    assert (answer.status, kind(answer)) == told
    assert len(paynearme_behind_urllib3.sent) == 1
    assert stored.everything() == []


def test_a_connection_that_was_not_made_is_tried_again(
    paynearme_behind_urllib3: PayNearMeStub, backend: Backend
) -> None:
    paynearme_behind_urllib3.answers = [REFUSED_CONNECTION.reason] * 2  # type: ignore[list-item] # it has one

    assert backend.post("/orders", REQUEST).status == 200
    assert len(paynearme_behind_urllib3.sent) == 3


@pytest.mark.parametrize(
    "said",
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
    ids=["nothing", "a list", "no identifier", "null", "empty", "no word", "an object", "true"],
)
def test_an_answer_that_names_no_order_is_a_fault_of_paynearmes(
    backend: Backend, paynearme: PayNearMeStub, stored: Stored, said: object
) -> None:
    paynearme.answer = paynearme.saying(200, said)

    answer = backend.post("/orders", REQUEST)

    assert (answer.status, kind(answer)) == (502, "paynearme-error")
    assert "zq7" not in answer.body
    assert stored.everything() == []


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
def test_an_order_is_not_lost_over_what_only_informs(
    backend: Backend, paynearme: PayNearMeStub, changes: dict[str, object]
) -> None:
    paynearme.answer = paynearme.saying(200, created(**changes))

    answer = backend.post("/orders", REQUEST)

    assert answer.status == 200
    assert "zq7" not in answer.body
    assert backend.get(order(ORDER)).content["minimum_payment_amount"] is None


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
def test_what_the_caller_got_wrong_is_named_and_not_sent(
    backend: Backend, paynearme: PayNearMeStub, changes: dict[str, Any], name: str
) -> None:
    assert faults(backend.post("/orders", REQUEST | changes)).keys() == {name}
    assert paynearme.sent == []


def test_who_the_customer_is_goes_to_paynearme_and_nowhere_else(
    backend: Backend, paynearme: PayNearMeStub, stored: Stored, written: Written
) -> None:
    customer = {"site_customer_identifier": "1", "pnm_customer_name": "zq7name"}
    paynearme.answer = paynearme.saying(200, created(customer=customer))

    answer = backend.post("/orders", REQUEST | PERSONAL)

    assert {name: paynearme.sent[0][name] for name in PERSONAL} == PERSONAL
    assert "zq7" not in answer.body + str(stored.everything()) + written.text()
    assert CREATED["order"]["secure_smart_token"] not in str(stored.everything()) + written.text()
    assert {item["pk"] for item in stored.everything()} == {f"ORDER#{SITE}#{ORDER}"}
