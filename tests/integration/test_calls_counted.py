from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.observed import Function, Traffic
from tests.integration.signed_callbacks import authorization, confirmation

ONE_UPDATE = ["UpdateItem"]
ONE_TRANSACTION = ["TransactWriteItems"]
type Told = tuple[str, dict[str, Any]]


def tell(start: Callable[[str], Function], told: Told) -> None:
    name, changes = told
    message = {"authorize": authorization, "confirm": confirmation}[name](**changes)
    assert start(name)(message).status == 200


def a(**changes: Any) -> Told:
    return "authorize", changes


def c(**changes: Any) -> Told:
    return "confirm", changes


# For each: what was told before, what is told now, and the calls of DynamoDB that this may cost.
COSTS: dict[str, tuple[list[Told], Told, list[str]]] = {
    "authorization": ([], a(), ONE_UPDATE),
    "authorization, declined": ([], a(payment_amount="0"), ONE_UPDATE),
    "authorization, test": ([], a(test="true"), ONE_UPDATE),
    "authorization again": ([a()], a(), ONE_UPDATE),
    "authorization in conflict": ([a()], a(payment_amount="1"), ONE_UPDATE * 2),
    "authorization in conflict again": ([a(), a(payment_amount="1")], a(payment_amount="1"), ONE_UPDATE * 2),
    "authorization after confirmation": ([c()], a(), ONE_UPDATE * 2),
    "confirmation": ([a()], c(), ONE_TRANSACTION),
    "confirmation without authorization": ([], c(), ONE_TRANSACTION),
    "confirmation without customer": ([], c(site_customer_identifier=None), ONE_TRANSACTION),
    "confirmation, test": ([], c(test="true"), ONE_TRANSACTION),
    "confirmation of a decline": ([a()], c(status="decline"), ONE_TRANSACTION),
    "confirmation of our decline": ([a(payment_amount="0")], c(status="decline"), ONE_TRANSACTION),
    "confirmation again": ([a(), c()], c(), ONE_TRANSACTION),
    "confirmation again and again": ([a(), c(), c()], c(), ONE_TRANSACTION),
    "confirmation of a decline again": ([c(status="decline")], c(status="decline"), ONE_TRANSACTION),
    "confirmation of another amount": ([a(payment_amount="1")], c(), ONE_TRANSACTION * 2),
    "the same again": ([a(payment_amount="1"), c()], c(), ONE_TRANSACTION),
    "confirmation after our decline": ([a(payment_amount="0")], c(), ONE_TRANSACTION * 2),
    "confirmation after a decline": ([c(status="decline")], c(), ONE_TRANSACTION * 2),
    "decline after a confirmation": ([c()], c(status="decline"), ONE_TRANSACTION + ONE_UPDATE),
    "confirmation that differs": ([c()], c(payment_amount="1"), ONE_TRANSACTION + ONE_UPDATE),
}


@pytest.mark.parametrize("case", COSTS)
def test_a_callback_costs_so_many_calls_of_dynamodb_and_no_more(
    cold_start: Callable[[str], Function], traffic: Traffic, case: str
) -> None:
    before, now, allowed = COSTS[case]
    for told in before:
        tell(cold_start, told)

    assert traffic.made_by(lambda: tell(cold_start, now)) == allowed


@pytest.mark.parametrize("name", ["authorize", "confirm"])
def test_a_warm_function_calls_dynamodb_and_nothing_else(
    cold_start: Callable[[str], Function], traffic: Traffic, name: str
) -> None:
    message = {"authorize": authorization, "confirm": confirmation}[name]
    function = cold_start(name)
    function(message())
    traffic.calls.clear()

    for number in ("1", "2", "2"):
        function(message(pnm_payment_identifier=number))

    assert traffic.calls == {"authorize": ONE_UPDATE, "confirm": ONE_TRANSACTION}[name] * 3


@pytest.mark.parametrize("name", ["authorize", "confirm"])
@pytest.mark.parametrize(
    "bad",
    [{"signature": "0"}, {"test": "maybe"}, {"A": "1"}],
    ids=["not authentic", "not valid", "not readable"],
)
def test_a_refused_callback_costs_no_call_of_dynamodb(
    cold_start: Callable[[str], Function], traffic: Traffic, name: str, bad: dict[str, str]
) -> None:
    message = {"authorize": authorization, "confirm": confirmation}[name]
    parameters = message(**bad) if "test" in bad else message() | bad
    function = cold_start(name)

    assert traffic.made_by(lambda: function(parameters)) == []
