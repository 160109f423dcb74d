"""One identifier finds every log line of a payment: the order's, from the token to the reversal."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.documents import documented
from tests.integration.backend_calls import Backend, order, payment
from tests.integration.making_payments import HANGS, KEY, MARKER, REQUEST
from tests.integration.observed import Function, Stored, StoredSites, Traffic, Written
from tests.integration.payments_over_time import reversal
from tests.integration.paynearme_stub import ANSWERED, PayNearMeStub
from tests.integration.signed_callbacks import SITE, authorization, confirmation

ORDER = "84488215678"
OTHER = "84488215679"
CALLBACKS: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "reverse": reversal,
}
TOKEN = ANSWERED["orders"][0]
ENTRY = {"status": "open", "order_type": "any", "order_amount": "500.00"}


@pytest.fixture
def backend(paynearme: PayNearMeStub, cold_start: Callable[[str], Function]) -> Backend:
    return Backend(cold_start)


def last(written: Written) -> dict[str, Any]:
    """Return the last log line."""
    return written.logs()[-1]


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callbacks_line_has_it(cold_start: Callable[[str], Function], written: Written, name: str) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == 200

    assert last(written)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("name", CALLBACKS)
def test_so_has_the_line_of_an_authentic_one_that_is_refused_as_invalid(
    cold_start: Callable[[str], Function], written: Written, name: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER, test="maybe")).status == 400

    line = last(written)
    assert (line["pnm_order_identifier"], line["pnm_payment_identifier"]) == (ORDER, "830466818968")


def test_so_has_the_line_of_one_that_is_too_old(authorize: Function, written: Written) -> None:
    assert authorize(authorization(pnm_order_identifier=ORDER, timestamp="1")).status == 401

    assert last(written)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("value", [f"{MARKER}@example.com", "8" * 65, "1 2", ""])
@pytest.mark.parametrize("name", CALLBACKS)
def test_what_does_not_look_like_an_identifier_is_not_written(
    cold_start: Callable[[str], Function], written: Written, name: str, value: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=value)).status == 400

    assert "pnm_order_identifier" not in last(written)
    assert MARKER not in written.text()


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_forgers_line_names_no_order(
    cold_start: Callable[[str], Function], written: Written, name: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER) | {"signature": "0"}).status == 401

    assert ORDER not in written.text()


@pytest.mark.parametrize(("name", "status"), [("authorize", 200), ("confirm", 503), ("reverse", 503)])
def test_a_callback_that_nobody_could_check_is_found_and_marked_as_such(
    cold_start: Callable[[str], Function], stored_sites: StoredSites, written: Written, name: str, status: int
) -> None:
    stored_sites.delete()
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == status

    line = last(written)
    assert (line["pnm_order_identifier"], line["signature_unverified"]) == (ORDER, True)


@pytest.mark.parametrize(("name", "status"), [("authorize", 200), ("confirm", 503), ("reverse", 503)])
def test_a_callback_that_met_no_table_is_found(
    cold_start: Callable[[str], Function], stored: Stored, written: Written, name: str, status: int
) -> None:
    stored.client.delete_table(TableName=stored.table_name)
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == status

    line = last(written)
    assert line["pnm_order_identifier"] == ORDER
    assert "signature_unverified" not in line


def test_a_declined_one_of_them_says_what_was_decided(
    authorize: Function, stored: Stored, written: Written
) -> None:
    stored.client.delete_table(TableName=stored.table_name)
    authorize(authorization())

    assert (last(written)["accepted"], last(written)["decision_reason"]) == (False, "cannot_decide_now")


@pytest.mark.parametrize(
    "wanted",
    [{"pnm_order_identifier": ORDER}, {"site_order_identifier": "ours"}, {"site_customer_identifier": "1"}],
    ids=["PayNearMe's identifier", "the merchant's", "the customer's"],
)
def test_a_tokens_line_has_it_whatever_the_order_was_asked_for_by(
    backend: Backend, paynearme: PayNearMeStub, written: Written, wanted: dict[str, str]
) -> None:
    paynearme.say((200, ANSWERED | {"orders": [TOKEN | {"pnm_order_identifier": int(ORDER)}]}))
    assert backend.post("/smart-tokens", wanted).status == 200

    assert last(written)["pnm_order_identifier"] == ORDER


def test_a_token_for_several_orders_is_found_by_each(
    backend: Backend, paynearme: PayNearMeStub, written: Written
) -> None:
    orders = [TOKEN | {"pnm_order_identifier": identifier} for identifier in (OTHER, ORDER, OTHER)]
    paynearme.say((200, ANSWERED | {"orders": orders}))
    assert backend.post("/smart-tokens", {"site_customer_identifier": "1"}).status == 200

    assert last(written)["pnm_order_identifiers"] == [ORDER, OTHER]


@pytest.mark.parametrize("said", [HANGS, (403, {}), (200, {"status": "error"})])
def test_a_token_that_paynearme_did_not_give_is_found(
    backend: Backend, paynearme: PayNearMeStub, written: Written, said: Any
) -> None:
    paynearme.say(said)
    assert backend.post("/smart-tokens", {"pnm_order_identifier": ORDER}).status >= 400

    assert last(written)["pnm_order_identifier"] == ORDER


def test_what_a_backend_names_and_what_is_no_identifier_is_not_written(
    backend: Backend, paynearme: PayNearMeStub, written: Written
) -> None:
    named = f"{MARKER}@example.com"
    paynearme.say((200, ANSWERED | {"orders": [TOKEN | {"pnm_order_identifier": named}]}))
    assert backend.post("/smart-tokens", {"pnm_order_identifier": named}).status == 200

    assert MARKER not in written.text()


CREATED = documented("create_order_answer", "guaranteed_ach")
NEW = documented("create_order", "guaranteed_ach") | {"site_identifier": SITE}


DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item] # the rest is of no interest
    "UpdateItem",
)


@pytest.mark.parametrize(("status", "error"), [(200, None), (503, DENIED), (500, RuntimeError())])
def test_a_new_orders_line_has_it_whether_it_was_written_down_or_not(
    backend: Backend, paynearme: PayNearMeStub, traffic: Traffic, written: Written, status: int, error: Any
) -> None:
    paynearme.say((200, CREATED))
    if error:
        traffic.refused["UpdateItem"] = error
    assert backend.post("/orders", NEW).status == status

    assert last(written)["pnm_order_identifier"] == str(CREATED["order"]["pnm_order_identifier"])


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "much"}])
def test_the_line_of_a_payment_that_is_asked_for_has_it_valid_or_not(
    backend: Backend, written: Written, changes: dict[str, str]
) -> None:
    backend.post("/payments", REQUEST | changes, KEY)

    assert last(written)["pnm_order_identifier"] == REQUEST["pnm_order_identifier"]


def test_the_line_of_a_payments_story_has_it(backend: Backend, confirm: Function, written: Written) -> None:
    confirm(confirmation(pnm_order_identifier=ORDER))
    assert backend.get(payment()).status == 200

    assert last(written)["operation"] == "payments"
    assert last(written)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("method", ["get", "put"])
def test_the_line_of_an_order_that_is_fed_or_asked_for_has_it(
    backend: Backend, written: Written, method: str
) -> None:
    backend.put(order(ORDER), **ENTRY)
    if method == "get":
        backend.get(order(ORDER))

    assert last(written)["pnm_order_identifier"] == ORDER
