"""Accepted payments that nobody confirms, on the deployed stack: noticed once, and given back in the end."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from local.callbacks import CallbackSender
from local.drive import Books, confirmation_of
from local.events import Parameters, with_fresh_payment
from local.merchant_events import MerchantEvents
from local.stack import Stack
from tests.e2e.hearing import Heard


@pytest.fixture
def heard(stack: Stack) -> Heard:
    return Heard(MerchantEvents(stack))


@pytest.fixture
def watch(stack: Stack) -> Callable[[], None]:
    """Call the function as the schedule does, without waiting for it."""
    name = function_name(stack, "WatchUnconfirmed")

    def call() -> None:
        answer = stack.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
        assert "FunctionError" not in answer

    return call


def function_name(stack: Stack, part: str) -> str:
    functions = stack.client("lambda").list_functions()["Functions"]
    names: list[str] = [function["FunctionName"] for function in functions]
    [ours] = [name for name in names if name.startswith(f"{stack.stack_name}-{part}Function-")]
    return ours


def let_pass(stack: Stack, message: Parameters, stage: str, minutes: int) -> None:
    """Let a payment be as though it had been accepted so long ago."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    key = f"PAYMENT#{message['site_identifier']}#{message['pnm_payment_identifier']}"
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key={"pk": {"S": key}, "sk": {"S": "PAYMENT"}},
        UpdateExpression="SET pending_since = :since",
        ExpressionAttributeValues={":since": {"S": f"{stage}#{moment.isoformat()}"}},
    )


def spent(books: Books, customer: str) -> set[Decimal]:
    """Return what the customer's windows hold: one amount where there is one payment."""
    return {
        item["spent"] for item in books.everything() if item["pk"].endswith(f"#{customer}") if "spent" in item
    }


def test_a_payment_that_nobody_confirms_is_told_once_and_given_back_much_later(
    stack: Stack,
    sender: CallbackSender,
    books: Books,
    heard: Heard,
    watch: Callable[[], None],
    authorization: Parameters,
) -> None:
    message = {**authorization, "site_customer_identifier": "never-hears-back"}
    young = with_fresh_payment({**authorization, "site_customer_identifier": "has-just-asked"})
    confirmed = with_fresh_payment({**authorization, "site_customer_identifier": "was-confirmed"})
    for each in (message, young, confirmed):
        assert sender.deliver_until_acknowledged("authorize", each, "json", minute=0.01)[-1].accepted
    assert sender.deliver_until_acknowledged("confirm", confirmation_of(confirmed), "json", minute=0.01)
    payment = message["pnm_payment_identifier"]

    let_pass(stack, message, "authorized", minutes=61)
    watch()
    watch()
    heard.until(lambda so_far: so_far.all_of([(payment, "PaymentUnconfirmed")]))
    assert spent(books, "never-hears-back") == {Decimal("504.99")}

    let_pass(stack, message, "unconfirmed", minutes=24 * 60 + 1)
    watch()
    watch()
    heard.until(lambda so_far: so_far.all_of([(payment, "ReservationReleased")]))
    assert spent(books, "never-hears-back") == {Decimal("0.00")}

    # PayNearMe tells it after all: the money counts, and somebody is told that it came late.
    assert sender.deliver("confirm", confirmation_of(message), "json").accepted
    told = [
        "PaymentAuthorized",
        "PaymentUnconfirmed",
        "ReservationReleased",
        "PaymentConfirmed",
        "paid_after_release",
    ]
    heard.until(lambda so_far: so_far.all_of([(payment, fact) for fact in told]))
    assert heard.facts([payment]) == Counter((payment, fact) for fact in told)
    assert books.balance(message["site_identifier"], "never-hears-back") == Decimal("500.00")
    assert spent(books, "never-hears-back") == {Decimal("504.99")}
    # And the others were left alone.
    others = [young["pnm_payment_identifier"], confirmed["pnm_payment_identifier"]]
    assert not {"PaymentUnconfirmed", "ReservationReleased"} & {fact for _, fact in heard.facts(others)}


def test_the_index_holds_what_is_awaited_and_nothing_that_was(
    stack: Stack, sender: CallbackSender, authorization: Parameters
) -> None:
    def awaited() -> set[str]:
        pages = stack.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=stack.table_name, IndexName="awaited")
        return {item["pnm_payment_identifier"]["S"] for page in found for item in page["Items"]}

    tested = {**with_fresh_payment(authorization), "test": "true"}
    declined = {**with_fresh_payment(authorization), "payment_currency": "CAD"}
    failed = with_fresh_payment(authorization)
    for each in (authorization, tested, declined, failed):
        assert sender.deliver_until_acknowledged("authorize", each, "json", minute=0.01)[-1].accepted
    identifiers = {m["pnm_payment_identifier"] for m in (authorization, tested, declined, failed)}
    assert awaited() & identifiers == {
        authorization["pnm_payment_identifier"],
        failed["pnm_payment_identifier"],
    }

    assert sender.deliver("confirm", confirmation_of(failed, status="decline"), "json").accepted
    assert sender.deliver("confirm", confirmation_of(authorization), "json").accepted

    assert not awaited() & identifiers
