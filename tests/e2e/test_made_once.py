"""A payment is made once: however many ask at once, and whatever happens between intent and answer."""

import operator
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay

from local.backend import Backend, Reply
from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books
from local.events import load, with_fresh_payment
from local.processes import kill_functions
from local.stack import Stack

SITE = "S6404173951"
AT_ONCE = 32


@pytest.fixture
def customer() -> str:
    return f"pays-once-{uuid.uuid4()}"


@pytest.fixture
def wish(backend: Backend, paynearme: Control, customer: str) -> dict[str, str]:
    """Return what a player wants who has an order and a saved bank account."""
    order = {
        "order_amount": "500.00",
        "order_currency": "USD",
        "order_type": "any",
        "order_is_standing": "true",
        "site_customer_identifier": customer,
        "site_identifier": SITE,
    }
    created = backend.post("/orders", order)
    owner = {"site_identifier": SITE, "site_customer_identifier": customer, "guaranteed_ach": True}
    method = paynearme.post("methods", {**owner, "description": "Demo Savings Account", "number": "6213"})
    return {
        "site_identifier": SITE,
        "pnm_order_identifier": created.content["order"]["pnm_order_identifier"],
        "payment_method_identifier": method["payment_method_identifier"],
        "payment_amount": "100.00",
        "payment_currency": "USD",
        "site_channel": "consumer",
    }


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def asked(paynearme: Control) -> int:
    """Return how often PayNearMe was asked to make a payment."""
    return [call["operation"] for call in paynearme.get("calls")].count("make_payment")


def kind(reply: Reply) -> str:
    return str(reply.content["type"]).rpartition(":")[2] if reply.status >= 400 else "made"


def let_pass(stack: Stack, books: Books, order: str) -> None:
    """Let the time be over in which the intent of a payment of ``order`` holds."""
    (intent,) = [
        item
        for item in books.everything()
        if item["sk"] == "INTENT" and item["pnm_order_identifier"] == order
    ]
    key = {name: {"S": intent[name]} for name in ("pk", "sk")}
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key=key,
        UpdateExpression="SET ends_at = :past",
        ExpressionAttributeValues={":past": {"N": "0"}},
    )


@pytest.mark.usefixtures("storm")
def test_many_equal_calls_at_once_are_one_payment(
    payers: ThreadPoolExecutor,
    backend: Backend,
    paynearme: Control,
    books: Books,
    wish: dict[str, str],
    customer: str,
    key: str,
) -> None:
    paynearme.post("behaviour", {"mode": "slow", "seconds": 1, "operation": "make_payment"})

    replies = list(payers.map(lambda _: backend.post("/payments", wish, key), range(AT_ONCE)))

    assert asked(paynearme) == 1
    assert {kind(reply) for reply in replies} <= {"made", "payment-under-way"}
    made = [reply.content for reply in replies if kind(reply) == "made"]
    assert made
    assert all(content == made[0] for content in made)
    assert backend.post("/payments", wish, key).content == made[0]
    paynearme.post("settled")
    assert asked(paynearme) == 1
    assert books.balance(SITE, customer) == Decimal("100.00")


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
def test_a_process_that_dies_between_intent_and_answer_never_leads_to_a_second_call(
    folder: Path,
    stack: Stack,
    backend: Backend,
    paynearme: Control,
    books: Books,
    wish: dict[str, str],
    customer: str,
    key: str,
    taken: bool,
) -> None:
    paynearme.post("behaviour", {"mode": "hang", "operation": "make_payment", "taken": taken})
    with ThreadPoolExecutor(1) as thread:
        dying = thread.submit(backend.post, "/payments", wish, key)
        until_asked = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_delay(15))
        until_asked(asked, paynearme)
        assert kill_functions(folder / "processes.json", "MakePaymentFunction") > 0
        assert dying.result().status >= 500
    paynearme.post("behaviour", {"mode": "normal"})

    meanwhile = backend.post("/payments", wish, key)
    paynearme.post("settled")
    let_pass(stack, books, wish["pnm_order_identifier"])
    later = backend.post("/payments", wish, key)

    assert kind(meanwhile) == "payment-under-way"
    assert int(meanwhile.headers["retry-after"]) > 0
    assert kind(later) == ("made" if taken else "payment-outcome-unknown"), later.content
    assert asked(paynearme) == 1
    assert books.balance(SITE, customer) == (Decimal("100.00") if taken else 0)


@pytest.mark.parametrize("mode", ["html", "cut", "abort"])
def test_what_was_lost_is_unknown_until_the_confirmation_tells_it(
    backend: Backend,
    paynearme: Control,
    books: Books,
    wish: dict[str, str],
    customer: str,
    key: str,
    mode: str,
) -> None:
    paynearme.post("callbacks", {"hold_confirmations": True})
    paynearme.post("behaviour", {"mode": mode, "operation": "make_payment", "taken": True})

    lost = backend.post("/payments", wish, key)
    unknown = backend.post("/payments", wish, key)
    (payment,) = paynearme.post("settled")
    paynearme.post("confirm", {"pnm_payment_identifier": payment["pnm_payment_identifier"]})
    learned = backend.post("/payments", wish, key)

    assert kind(lost) == kind(unknown) == "payment-outcome-unknown"
    assert lost.content["site_payment_identifier"] == payment["site_payment_identifier"]
    assert kind(learned) == "made"
    assert learned.content["status"] == "confirmed"
    assert learned.content["pnm_payment_identifier"] == payment["pnm_payment_identifier"]
    assert asked(paynearme) == 1
    assert books.balance(SITE, customer) == Decimal("100.00")


def test_a_payment_that_its_confirmation_declines_is_told_to_be_declined(
    backend: Backend,
    sender: CallbackSender,
    paynearme: Control,
    wish: dict[str, str],
    customer: str,
    key: str,
) -> None:
    paynearme.post("behaviour", {"mode": "abort", "operation": "make_payment"})
    lost = backend.post("/payments", wish, key)
    message = with_fresh_payment(load("confirmation")["guaranteed_ach_saved"])
    told = message | {
        "pnm_order_identifier": wish["pnm_order_identifier"],
        "site_customer_identifier": customer,
        "site_payment_identifier": lost.content["site_payment_identifier"],
        "status": "decline",
    }

    assert sender.deliver("confirm", told, "json").accepted
    declined = backend.post("/payments", wish, key)

    assert kind(declined) == "payment-declined"
    assert declined.content["pnm_payment_identifier"] == message["pnm_payment_identifier"]
