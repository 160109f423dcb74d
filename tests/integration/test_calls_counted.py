import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from moto.dynamodb.models.table import Table

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.kept_clients import KeptClients
from tests.integration.observed import Function, Traffic
from tests.integration.payments_over_time import at, reversal
from tests.integration.signed_callbacks import authorization, confirmation

READ, UPDATE, TRANSACTION = ["BatchGetItem"], ["UpdateItem"], ["TransactWriteItems"]
MESSAGES: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "reverse": reversal,
}
NEW_YEAR = datetime(2027, 1, 1, 18, 0, tzinfo=UTC)
"""When what came back lies in two years."""

EVERY_RULE: dict[str, Any] = {
    "payment_types": ["credit", "debit"],
    "amounts": {"credit": {"minimum": "0.01", "maximum": "100000.00"}},
    "chargebacks": {"max_count": 9, "within_days": 365},
    "returns": {"max_count": 9, "within_days": 90},
    "spending_limits": [
        {"window": "day", "amount": "100000.00"},
        {"window": "week", "amount": "100000.00", "payment_types": ["credit", "debit"]},
        {"window": "month", "amount": "100000.00", "payment_types": ["credit"]},
    ],
}
"""A policy that asks for all that can be known, and accepts any named customer's usual payment."""


class Told(NamedTuple):
    name: str
    changes: dict[str, Any]
    now: datetime = NEW_YEAR

    def next_day(self) -> "Told":
        return self._replace(now=self.now + timedelta(days=1))


def tell(start: Callable[[str], Function], told: Told) -> None:
    message = MESSAGES[told.name](**{"timestamp": str(int(told.now.timestamp()))} | told.changes)
    assert at(told.now, start(told.name), message).status == 200


def a(**changes: Any) -> Told:
    return Told("authorize", changes)


def c(**changes: Any) -> Told:
    return Told("confirm", changes)


def r(**changes: Any) -> Told:
    return Told("reverse", changes)


DECLINED = {"payment_amount": "0"}
FAILED = {"status": "decline"}
NAMED = {"site_payment_identifier": "ours-1"}
UNNAMED = {"site_customer_identifier": None}
TEST = {"test": "true"}

# For each: what was told before, what is told now, and the calls of DynamoDB that this may cost.
COSTS: dict[str, tuple[list[Told], Told, list[str]]] = {
    "authorization": ([], a(), READ + TRANSACTION),
    "another authorization": ([a(pnm_payment_identifier="1")], a(), READ + TRANSACTION),
    "authorization, declined": ([], a(**DECLINED), READ + UPDATE),
    "authorization, test": ([], a(**TEST), READ + UPDATE),
    "authorization without customer": ([], a(**UNNAMED), READ + UPDATE),
    "authorization after a reversal": ([r()], a(), READ + TRANSACTION),
    "authorization again": ([a()], a(), READ),
    "authorization again, declined": ([a(**DECLINED)], a(**DECLINED), READ),
    "authorization again, test": ([a(**TEST)], a(**TEST), READ),
    "authorization again, on the next day": ([a()], a().next_day(), READ),
    "authorization again, confirmed by then": ([a(), c()], a(), READ),
    "authorization in conflict": ([a()], a(payment_amount="1"), READ + UPDATE),
    "authorization in conflict again": ([a(), a(payment_amount="1")], a(payment_amount="1"), READ + UPDATE),
    "authorization after confirmation": ([c()], a(), READ + UPDATE),
    "authorization after confirmation, declined": ([c()], a(**DECLINED), READ + UPDATE),
    "authorization after a failed payment": ([c(**FAILED)], a(), READ + UPDATE),
    "confirmation": ([a()], c(), TRANSACTION),
    "confirmation on the next day": ([a()], c().next_day(), TRANSACTION),
    "confirmation, test": ([a(**TEST)], c(**TEST), TRANSACTION),
    "confirmation, test without authorization": ([], c(**TEST), TRANSACTION),
    "confirmation without customer": ([], c(**UNNAMED), TRANSACTION),
    "confirmation of what we asked for": ([a()], c(**NAMED), TRANSACTION),
    "confirmation of what we asked for, again": ([a(), c(**NAMED)], c(**NAMED), TRANSACTION),
    "confirmation of what we asked for, test": ([], c(**TEST, **NAMED), TRANSACTION),
    "confirmation of a decline": ([a()], c(**FAILED), TRANSACTION),
    "confirmation of a decline of what we asked for": ([a()], c(**FAILED, **NAMED), TRANSACTION),
    "confirmation of a decline, test": ([a(**TEST)], c(**TEST, **FAILED), TRANSACTION),
    "confirmation of a decline without customer": ([], c(**UNNAMED, **FAILED), TRANSACTION),
    "confirmation again": ([a(), c()], c(), TRANSACTION),
    "confirmation again and again": ([a(), c(), c()], c(), TRANSACTION),
    "confirmation again, without authorization": ([c()], c(), TRANSACTION),
    "confirmation again, reversed by then": ([a(), c(), r()], c(), TRANSACTION),
    "confirmation of a decline again": ([a(), c(**FAILED)], c(**FAILED), TRANSACTION),
    "confirmation of a decline again, next day": ([a(), c(**FAILED)], c(**FAILED).next_day(), TRANSACTION),
    "the same again": ([a(payment_amount="1"), c()], c(), TRANSACTION),
    # Nobody can say beforehand which windows a payment holds, if not those of the usual case.
    "confirmation without authorization": ([], c(), TRANSACTION * 2),
    "confirmation of a decline without authorization": ([], c(**FAILED), TRANSACTION * 2),
    "confirmation of a decline on the next day": ([a()], c(**FAILED).next_day(), TRANSACTION * 2),
    "confirmation of our decline": ([a(**DECLINED)], c(**FAILED), TRANSACTION * 2),
    "confirmation of another amount": ([a(payment_amount="1")], c(), TRANSACTION * 2),
    "confirmation of another customer": ([a()], c(site_customer_identifier="1"), TRANSACTION * 2),
    "confirmation of another payment type": ([a()], c(payment_type="debit"), TRANSACTION * 2),
    "confirmation after our decline": ([a(**DECLINED)], c(), TRANSACTION * 2),
    "confirmation after a decline": ([a(), c(**FAILED)], c(), TRANSACTION * 2),
    "confirmation after a reversal": ([a(), r()], c(), TRANSACTION * 2),
    "decline after a confirmation": ([a(), c()], c(**FAILED), TRANSACTION + UPDATE),
    "confirmation that differs": ([a(), c()], c(payment_amount="1"), TRANSACTION + UPDATE),
    "reversal": ([a(), c()], r(), READ + TRANSACTION),
    "reversal of a part more": ([a(), c(), r()], r(reverse_amount="1"), READ + TRANSACTION),
    "reversal, test": ([a(**TEST), c(**TEST)], r(**TEST), READ + TRANSACTION),
    "reversal of an unknown payment": ([], r(), READ + TRANSACTION),
    "reversal of a failed payment": ([a(), c(**FAILED)], r(), READ + TRANSACTION),
    "reversal again": ([a(), c(), r()], r(), READ),
    "reversal again, of an unknown payment": ([r()], r(), READ),
}


@pytest.mark.parametrize("rules", [{}, EVERY_RULE], ids=["no rule", "every rule"])
@pytest.mark.parametrize("case", COSTS)
def test_a_callback_costs_so_many_calls_of_dynamodb_and_no_more(
    cold_start: Callable[[str], Function],
    deployed_policy: DeployedPolicy,
    traffic: Traffic,
    case: str,
    rules: dict[str, Any],
) -> None:
    deployed_policy.put_defaults(**rules)
    before, now, allowed = COSTS[case]
    for told in before:
        tell(cold_start, told)

    assert traffic.made_by(lambda: tell(cold_start, now)) == allowed


# For each function: what was told before of each payment, so that the next is the usual case; and its calls.
USUAL: dict[str, tuple[list[Told], list[str]]] = {
    "authorize": ([], READ + TRANSACTION),
    "confirm": ([a()], TRANSACTION),
    "reverse": ([a(), c()], READ + TRANSACTION),
}


@pytest.mark.parametrize("name", USUAL)
def test_a_warm_function_calls_dynamodb_and_nothing_else(
    cold_start: Callable[[str], Function], deployed_policy: DeployedPolicy, traffic: Traffic, name: str
) -> None:
    before, each = USUAL[name]
    payments = [{"pnm_payment_identifier": number} for number in ("1", "2", "3")]
    for told, payment in product(before, payments):
        tell(cold_start, told._replace(changes=payment))
    function = cold_start(name)
    tell(lambda _: function, Told(name, payments[0]))
    traffic.calls.clear()
    deployed_policy.calls.clear()

    for payment in payments[1:]:
        tell(lambda _: function, Told(name, payment))

    assert traffic.calls == each * 2
    assert deployed_policy.calls == []


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("authorize", ["StartConfigurationSession", "GetLatestConfiguration"]),
        ("confirm", ["StartConfigurationSession", "GetLatestConfiguration"]),
        ("reverse", []),
    ],
)
def test_a_cold_function_asks_for_the_policy_once_and_only_when_it_is_called(
    cold_start: Callable[[str], Function], deployed_policy: DeployedPolicy, name: str, calls: list[str]
) -> None:
    function = cold_start(name)
    assert deployed_policy.calls == []

    for number in ("1", "2"):
        function(MESSAGES[name](pnm_payment_identifier=number))

    assert deployed_policy.calls == calls


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    "bad",
    [{"signature": "0"}, {"test": "maybe"}, {"A": "1"}],
    ids=["not authentic", "not valid", "not readable"],
)
def test_a_refused_callback_costs_no_call_of_dynamodb_and_none_of_appconfig(
    cold_start: Callable[[str], Function],
    deployed_policy: DeployedPolicy,
    traffic: Traffic,
    name: str,
    bad: dict[str, str],
) -> None:
    message = MESSAGES[name]
    parameters = message(**bad) if "test" in bad else message() | bad
    function = cold_start(name)

    assert traffic.made_by(lambda: function(parameters)) == []
    assert deployed_policy.calls == []


class Reading:
    """What the functions read of DynamoDB: the keys that they asked for, and the bytes of the answers."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []
        self.answer = b""

    def asked(self, *, params: dict[str, Any], **_: Any) -> None:
        [wanted] = json.loads(params["body"])["RequestItems"].values()
        self.keys = [(key["pk"]["S"], key["sk"]["S"]) for key in wanted["Keys"]]

    def answered(self, *, http_response: Any, **_: Any) -> None:
        self.answer = re.sub(rb"[0-9.]+", b"0", http_response.content)


@pytest.fixture
def reading(kept_clients: KeptClients) -> Iterator[Reading]:
    reading = Reading()
    call = "dynamodb.BatchGetItem"
    with (
        kept_clients.hooked(f"before-call.{call}", reading.asked),
        kept_clients.hooked(f"after-call.{call}", reading.answered),
    ):
        yield reading


# What became of some of the payments, by their place among 60.
PAID = c(net_payment_amount="9.00")
AFTERWARDS = {
    0: [PAID, r(reverse_type="Chargeback", reverse_amount="9.00")],
    1: [PAID, r(reverse_type="Bank Return", reverse_amount="1.00")],
    2: [PAID],
    3: [c(**FAILED)],
}


@pytest.fixture
def no_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep moto from copying the table for each item of a transaction, which it does in case one fails."""
    copied = copy.deepcopy
    monkeypatch.setattr(
        "moto.dynamodb.models.copy.deepcopy", lambda it, *_: it if isinstance(it, Table) else copied(it, *_)
    )


@pytest.mark.usefixtures("no_rollback")
def test_an_authorization_reads_no_more_however_many_payments_the_customer_has_made(
    reading: Reading,
    cold_start: Callable[[str], Function],
    deployed_policy: DeployedPolicy,
    traffic: Traffic,
) -> None:
    deployed_policy.put_defaults(**EVERY_RULE)
    warm = {name: cold_start(name) for name in MESSAGES}

    def tell_of(number: int, told: Told, now: datetime) -> None:
        changes = told.changes | {"pnm_payment_identifier": str(number), "payment_amount": "10.00"}
        tell(warm.__getitem__, Told(told.name, changes, now))

    def read_after(numbers: range) -> tuple[list[str], list[tuple[str, str]], bytes]:
        for number in numbers:
            for told in [a(), *AFTERWARDS.get(number % 60, ())]:
                tell_of(number, told, NEW_YEAR - timedelta(days=number % 10))
        calls = traffic.made_by(lambda: tell_of(1000 + len(numbers), a(), NEW_YEAR))
        return calls, reading.keys[1:], reading.answer

    # By then each kind of story was told.
    after_10, after_70 = read_after(range(10)), read_after(range(10, 70))

    assert after_10 == after_70
    calls, keys, answer = after_70
    assert calls == READ + TRANSACTION
    assert len(keys) == 7
    assert answer.count(b"SPENDING#") == 3
