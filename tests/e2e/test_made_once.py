"""A payment is made once: however many ask at once, and whatever happens between intent and answer."""

import operator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.backend import Backend
from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books
from local.events import load, with_fresh_payment
from local.processes import kill_functions
from local.stack import Stack
from tests.e2e.paying import PATHS, SITE, Player, asked, kind, new_key, new_payer

AT_ONCE = 32
FAR_AHEAD = 4_000_000_000
"""In Unix seconds."""


@pytest.fixture
def player(backend: Backend, paynearme: Control) -> Player:
    return new_payer(backend, paynearme)


@pytest.fixture
def key() -> str:
    return new_key()


def let_end(stack: Stack, books: Books, player: Player, moment: int) -> None:
    """Let the intent of the player's payment hold until ``moment`` (Unix seconds) instead of some seconds."""
    (intent,) = [
        item
        for item in books.everything()
        if item["sk"] == "INTENT" and item["pnm_order_identifier"] == player.order
    ]
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key={name: {"S": intent[name]} for name in ("pk", "sk")},
        UpdateExpression="SET lease_expires_at = :moment",
        ExpressionAttributeValues={":moment": {"N": str(moment)}},
    )


def payments_asked(paynearme: Control) -> int:
    """Return how often PayNearMe was asked to make a payment."""
    return asked(paynearme).count("make_payment")


@pytest.mark.usefixtures("storm")
def test_many_equal_calls_at_once_are_one_payment(
    payers: ThreadPoolExecutor,
    paynearme: Control,
    books: Books,
    player: Player,
    key: str,
) -> None:
    paynearme.post("behaviour", {"mode": "slow", "seconds": 1, "operation": "make_payment"})

    replies = list(payers.map(lambda _: player.pay(key), range(AT_ONCE)))

    assert payments_asked(paynearme) == 1
    assert {kind(reply) for reply in replies} <= {"made", "payment-in-progress"}
    made = [reply.content for reply in replies if kind(reply) == "made"]
    assert made
    assert all(content == made[0] for content in made)
    assert player.pay(key).content == made[0]
    paynearme.post("settled")
    assert payments_asked(paynearme) == 1
    assert books.balance(SITE, player.customer) == Decimal("1000.00")


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
def test_a_process_that_dies_between_intent_and_answer_never_leads_to_a_second_call(
    folder: Path,
    stack: Stack,
    backend: Backend,
    paynearme: Control,
    books: Books,
    player: Player,
    key: str,
    taken: bool,
) -> None:
    paynearme.post("behaviour", {"mode": "hang", "operation": "make_payment", "taken": taken})
    with ThreadPoolExecutor(1) as thread:
        # The emulator answers for the process.
        dying = thread.submit(backend.post, PATHS["make_payment"], player.wish(), key)
        until_asked = Retrying(
            retry=retry_if_result(operator.not_), wait=wait_fixed(0.05), stop=stop_after_delay(15)
        )
        until_asked(payments_asked, paynearme)
        assert kill_functions(folder / "processes.json", "MakePaymentFunction") > 0
        assert dying.result().status >= 500
    paynearme.post("behaviour", {"mode": "normal"})

    let_end(stack, books, player, FAR_AHEAD)
    meanwhile = player.pay(key)
    paynearme.post("settled")
    let_end(stack, books, player, 0)
    later = player.pay(key)

    assert kind(meanwhile) == "payment-in-progress"
    assert int(meanwhile.headers["retry-after"]) > 0
    assert kind(later) == ("made" if taken else "payment-outcome-unknown"), later.content
    assert payments_asked(paynearme) == 1
    assert books.balance(SITE, player.customer) == (Decimal("1000.00") if taken else 0)


@pytest.mark.parametrize("mode", ["html", "cut", "abort"])
def test_what_was_lost_is_unknown_until_the_confirmation_tells_it(
    paynearme: Control,
    books: Books,
    player: Player,
    key: str,
    mode: str,
) -> None:
    paynearme.post("callbacks", {"hold_confirmations": True})
    paynearme.post("behaviour", {"mode": mode, "operation": "make_payment", "taken": True})

    lost = player.pay(key)
    unknown = player.pay(key)
    (payment,) = paynearme.post("settled")
    paynearme.post("confirm", {"pnm_payment_identifier": payment["pnm_payment_identifier"]})
    learned = player.pay(key)

    assert kind(lost) == kind(unknown) == "payment-outcome-unknown"
    assert lost.content["site_payment_identifier"] == payment["site_payment_identifier"]
    assert kind(learned) == "made"
    assert learned.content["status"] == "confirmed"
    assert learned.content["pnm_payment_identifier"] == payment["pnm_payment_identifier"]
    assert payments_asked(paynearme) == 1
    assert books.balance(SITE, player.customer) == Decimal("1000.00")


def test_a_payment_that_its_confirmation_declines_is_told_to_be_declined(
    sender: CallbackSender,
    paynearme: Control,
    player: Player,
    key: str,
) -> None:
    paynearme.post("behaviour", {"mode": "abort", "operation": "make_payment"})
    lost = player.pay(key)
    message = with_fresh_payment(load("confirmation")["guaranteed_ach_saved"])
    told = message | {
        "pnm_order_identifier": player.order,
        "site_customer_identifier": player.customer,
        "site_payment_identifier": lost.content["site_payment_identifier"],
        "status": "decline",
    }

    assert sender.deliver("confirm", told, "json").accepted
    declined = player.pay(key)

    assert kind(declined) == "payment-failed"
    assert declined.content["pnm_payment_identifier"] == message["pnm_payment_identifier"]
