"""An order that PayNearMe created and we could not write down, and the words with which it refuses one."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from paynearme.deadline import Deadline
from tests.clock import Clock
from tests.documents import documented
from tests.integration.backend_calls import Backend, kind, order
from tests.integration.observed import Answer, Function, Traffic, Written
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE

CREATED = documented("create_order_answer", "guaranteed_ach")
ORDER = "82882345534"
REQUEST = documented("create_order", "guaranteed_ach") | {"site_identifier": SITE}
ENTRY = {"status": "open", "order_type": "any", "order_amount": "500.00"}
DENIED: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
PERSONAL = {
    "site_customer_first_name": "zq7first",
    "site_customer_last_name": "zq7last",
    "site_customer_email": "zq7@example.com",
    "site_customer_phone": "zq7-555-1212",
    "site_customer_street": "7 zq7 Street",
    "site_customer_city": "zq7 City",
    "site_customer_postal_code": "zq7-10001",
    "site_customer_year_of_birth": "1907",
}


@pytest.fixture
def backend(paynearme: PayNearMeStub, cold_start: Callable[[str], Function]) -> Backend:
    paynearme.answer = paynearme.saying(200, CREATED)
    return Backend(cold_start)


@pytest.mark.parametrize(
    "error",
    [ClientError(DENIED, "UpdateItem"), ReadTimeoutError(endpoint_url="https://dynamodb.invalid")],
    ids=["denied", "slow"],
)
def test_an_order_that_cannot_be_written_down_is_named_and_can_be_fed(
    backend: Backend, paynearme: PayNearMeStub, traffic: Traffic, written: Written, error: Exception
) -> None:
    traffic.refused["UpdateItem"] = error

    answer = backend.post("/orders", REQUEST)

    assert (answer.status, kind(answer)) == (503, "order-not-recorded")
    assert answer.content["pnm_order_identifier"] == ORDER
    assert len(paynearme.sent) == 1
    assert written.counted("OrderNotRecorded") == 1
    traffic.refused.clear()
    assert backend.get(order(ORDER)).status == 404
    fed = backend.put(order(answer.content["pnm_order_identifier"]), **ENTRY)
    assert fed.status == 200
    assert backend.get(order(ORDER)).content == fed.content


@pytest.fixture
def seconds(backend: Backend, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> float:
    """How long a call may take, by a clock that stands still."""
    within: float = backend.function("create_order").app.settings.call_within_seconds

    def after(seconds: float) -> Deadline:
        return Deadline(clock.now + seconds, clock, clock.sleep)

    monkeypatch.setattr(Deadline, "after", after)
    return within


def test_an_order_that_comes_in_the_last_moment_is_written_down(
    backend: Backend, paynearme: PayNearMeStub, clock: Clock, seconds: float
) -> None:
    # To write takes 1 second at most, and some time passes before it is begun.
    paynearme.meanwhile = [lambda: clock.work(seconds - 1.21)]

    assert backend.post("/orders", REQUEST).status == 200
    assert backend.get(order(ORDER)).status == 200


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds each call that is bound by a deadline is given, in their order."""
    given: list[float] = []
    bound = Deadline.bound

    def keep[T](deadline: Deadline, call: Callable[[], T]) -> T:
        given.append(deadline.remaining)
        return bound(deadline, call)

    monkeypatch.setattr(Deadline, "bound", keep)
    return given


def test_paynearme_is_given_only_so_much_time_that_the_order_can_be_written_down(
    backend: Backend, bounds: list[float], seconds: float
) -> None:
    assert backend.post("/orders", REQUEST).status == 200
    # After the sites' secret it is PayNearMe's turn.
    assert bounds[-2:] == [pytest.approx(seconds - 1.2), pytest.approx(1.0)]


def refusal(words: str, code: str = "1100") -> dict[str, Any]:
    return {"status": "error", "response_code": code, "errors": [{"description": words}]}


def refused(backend: Backend, paynearme: PayNearMeStub, said: dict[str, Any]) -> Answer:
    paynearme.answer = paynearme.saying(422, said)
    answer = backend.post("/orders", REQUEST | PERSONAL)
    assert (answer.status, kind(answer)) == (422, "rejected-by-paynearme")
    return answer


@pytest.mark.parametrize("name", PERSONAL)
def test_a_refusal_that_repeats_who_the_customer_is_is_handed_on_without_that(
    backend: Backend, paynearme: PayNearMeStub, written: Written, name: str
) -> None:
    value = PERSONAL[name]
    said = refusal(f"Wrong {value}, say not {value}!", f"code {value}")

    answer = refused(backend, paynearme, said)

    assert paynearme.sent[0][name] == value
    assert value not in answer.body + written.text()
    [error] = answer.content["errors"]
    assert error["description"].startswith("Wrong ")
    assert error["description"].endswith("!")


def test_a_refusal_that_repeats_the_merchants_own_identifiers_is_handed_on_as_it_is(
    backend: Backend, paynearme: PayNearMeStub, written: Written
) -> None:
    said = refusal(f"{REQUEST['site_customer_identifier']} has {REQUEST['site_order_identifier']}", "1107")

    answer = refused(backend, paynearme, said)

    assert answer.content["errors"] == said["errors"]
    assert written.logs()[0]["response_code"] == "1107"
