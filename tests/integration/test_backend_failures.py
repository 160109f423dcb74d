import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from paynearme.deadline import Deadline
from paynearme.parameters import MOST_BYTES
from tests.clock import Clock
from tests.events_of_gateway import body_event, bytes_event, json_event, query_event
from tests.integration.backend_calls import Backend, customer, faults, kind, named_in, order, payment
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Answer, Function, Stored, StoredSites, Traffic, Written
from tests.integration.payments_over_time import NOON
from tests.integration.signed_callbacks import SITES

MARKER = "zq7marker7qz"
GETS = {"orders": order, "customers": customer, "payments": payment}
PUTS = {"orders": order, "customers": customer}
ENTRIES: dict[str, dict[str, Any]] = {
    "orders": {"status": "closed", "order_amount": "77.31"},
    "customers": {"status": "suspended", "suspended_reason": MARKER, "self_imposed_day_limit": "77.31"},
}
CALLS: dict[str, Callable[[Backend], Answer]] = {
    "getOrder": lambda backend: backend.get(order()),
    "putOrder": lambda backend: backend.put(order(), **ENTRIES["orders"]),
    "getCustomer": lambda backend: backend.get(customer()),
    "putCustomer": lambda backend: backend.put(customer(), **ENTRIES["customers"]),
    "getPayment": lambda backend: backend.get(payment()),
}

every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
every_get = pytest.mark.parametrize("place", GETS.values(), ids=GETS)
every_put = pytest.mark.parametrize("place", PUTS.values(), ids=PUTS)


@pytest.fixture
def backend(cold_start: Callable[[str], Function]) -> Backend:
    return Backend(cold_start)


@every_get
@pytest.mark.parametrize("site", [MARKER, "", " ", "S2155373459 ", "\x00", "s2155373459"])
def test_a_site_that_is_not_ours_is_named(backend: Backend, place: Callable[..., str], site: str) -> None:
    answer = backend.get(place(site=site))

    assert faults(answer).keys() == {"site_identifier"}
    assert MARKER not in answer.body


@every_get
def test_the_address_names_the_site_and_no_default_does(
    backend: Backend, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", next(iter(SITES)))

    assert faults(backend.get(place(site=""))).keys() == {"site_identifier"}


@every_get
def test_an_address_that_is_not_utf_8_is_unreadable(backend: Backend, place: Callable[..., str]) -> None:
    path = place("1").removesuffix("1") + "%FF"

    answer = backend.get(path)
    assert (answer.status, kind(answer)) == (400, "malformed-request")


@every_get
def test_a_name_that_comes_twice_is_unreadable(backend: Backend, place: Callable[..., str]) -> None:
    answer = backend.send(place(), query_event([("test", "true"), ("test", "false")]))

    assert (answer.status, kind(answer)) == (400, "malformed-request")


@every_put
@pytest.mark.parametrize(
    "event",
    [
        body_event(None),
        body_event(f'{{"a": "{MARKER}'),
        body_event(f"status={MARKER}"),
        body_event(f'["{MARKER}"]'),
        body_event('{"status": "open", "status": "closed"}'),
        body_event('{"status": "\\ud800"}'),
        bytes_event(b'{"a": "\xff"}'),
    ],
    ids=["nothing", "broken", "form", "list", "twice", "surrogate", "not UTF-8"],
)
def test_what_is_no_flat_json_is_unreadable(
    backend: Backend, stored: Stored, place: Callable[..., str], event: dict[str, Any]
) -> None:
    answer = backend.send(place(), event | {"httpMethod": "PUT"})

    assert (answer.status, kind(answer)) == (400, "malformed-request")
    assert MARKER not in answer.body
    assert stored.everything() == []


@every_put
def test_what_is_too_large_is_refused(backend: Backend, place: Callable[..., str]) -> None:
    answer = backend.put(place(), status="x" * MOST_BYTES)

    assert (answer.status, kind(answer)) == (413, "payload-too-large")


@every_put
def test_the_query_of_a_put_says_nothing(backend: Backend, place: Callable[..., str]) -> None:
    query = query_event([("status", "closed")])
    event = query | json_event({}) | {name: query[name] for name in query if "ueryString" in name}

    answer = backend.send(place(), event | {"httpMethod": "PUT"})

    assert answer.status == 200
    assert answer.content["status"] in ("open", "active")


@every_get
def test_the_body_of_a_get_says_nothing(backend: Backend, place: Callable[..., str]) -> None:
    event = json_event({"site_identifier": MARKER}) | {"httpMethod": "GET"}

    assert backend.send(place(), event).status == 404


@every_call
def test_without_the_table_it_is_unavailable(
    backend: Backend, stored: Stored, written: Written, call: Callable[[Backend], Answer]
) -> None:
    stored.client.delete_table(TableName=stored.table_name)

    answer = call(backend)

    assert (answer.status, kind(answer)) == (503, "unavailable")
    assert written.counted("LedgerUnavailable") == 1
    assert MARKER not in answer.body


@every_call
def test_without_the_sites_keys_it_is_unavailable(
    backend: Backend, stored_sites: StoredSites, written: Written, call: Callable[[Backend], Answer]
) -> None:
    stored_sites.delete()

    answer = call(backend)

    assert (answer.status, kind(answer)) == (503, "unavailable")
    assert written.counted("SiteKeysUnavailable") == 1


@pytest.mark.parametrize("policy", ["", "{", '{"defaults": {}}'], ids=["none", "broken", "invalid"])
def test_without_a_policy_a_customer_is_fed_and_not_told(
    backend: Backend, stored: Stored, deployed_policy: DeployedPolicy, written: Written, policy: str
) -> None:
    deployed_policy.put(policy)

    answers = [CALLS["putCustomer"](backend), CALLS["getCustomer"](backend)]

    assert [(answer.status, kind(answer)) for answer in answers] == [(503, "unavailable")] * 2
    assert [item["status"] for item in stored.everything()] == ["suspended"]
    assert written.counted("PolicyUnavailable") == 2


@pytest.mark.parametrize("name", ["getOrder", "putOrder", "getPayment"])
def test_orders_and_payments_need_no_policy(
    backend: Backend, deployed_policy: DeployedPolicy, name: str
) -> None:
    deployed_policy.put("")

    assert CALLS[name](backend).status in (200, 404)
    assert deployed_policy.calls == []


@every_call
def test_a_call_is_answered_within_its_time_while_the_table_is_out_of_reach(
    backend: Backend,
    traffic: Traffic,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    call: Callable[[Backend], Answer],
) -> None:
    gone = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")
    traffic.refused = {"BatchGetItem": gone, "UpdateItem": gone}
    given: list[float] = []

    def after(seconds: float) -> Deadline:
        given.append(seconds)
        return Deadline(clock.now + seconds, clock, clock.sleep)

    monkeypatch.setattr(Deadline, "after", after)

    assert call(backend).status == 503
    assert given == [7.0]
    assert sum(clock.sleeps) < given[0]
    assert len(traffic.calls) > 2


@every_call
def test_a_lost_answer_of_the_table_is_asked_for_again(
    backend: Backend, traffic: Traffic, call: Callable[[Backend], Answer]
) -> None:
    lost = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")
    expected = call(backend.at(NOON)).status
    traffic.lost = {"BatchGetItem": [lost], "UpdateItem": [lost]}

    assert call(backend.at(NOON)).status == expected


@every_call
def test_a_mistake_of_ours_tells_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, written: Written, call: Callable[[Backend], Answer]
) -> None:
    def mistake(*_: object, **__: object) -> None:
        raise RuntimeError(MARKER)

    for method in ("put_order", "order", "put_customer", "customer", "payment"):
        monkeypatch.setattr(f"paynearme.ledger.Ledger.{method}", mistake)

    answer = call(backend)

    assert (answer.status, kind(answer)) == (500, "internal")
    assert set(answer.content) == {"type", "title", "status"}
    assert MARKER not in written.text()


@pytest.mark.parametrize("name", GETS)
@pytest.mark.parametrize(
    "event",
    [
        *({}, None, [MARKER], {"httpMethod": "GET"}, {"httpMethod": "DELETE"}, {"httpMethod": "PATCH"}),
        {"httpMethod": "GET", "pathParameters": {"site_identifier": 1}},
        {"httpMethod": "GET", "pathParameters": MARKER},
        {"httpMethod": "PUT", "body": {"a": MARKER}, "pathParameters": None},
    ],
    ids=lambda event: json.dumps(event),
)
def test_a_garbage_event_has_an_answer(backend: Backend, name: str, event: Any) -> None:
    answer = backend.function(name).handle(event)

    assert answer.status in (400, 500)
    assert MARKER not in answer.body


@every_call
def test_one_log_line_names_what_a_call_is_about_and_tells_no_value(
    backend: Backend, written: Written, call: Callable[[Backend], Answer]
) -> None:
    answer = call(backend)

    [line] = written.logs()
    places = {"orders": order(), "customers": customer(), "payments": payment()}
    identifiers = named_in(places[line["operation"]])
    assert {name: line[name] for name in identifiers} == identifiers
    assert (line["status"], line["method"]) == (answer.status, "PUT" if answer.status == 200 else "GET")
    assert MARKER not in written.text()
    assert "77.31" not in written.text()
    assert len(written.metrics()) == 1


@every_put
def test_what_is_refused_is_named_in_the_log_and_not_repeated(
    backend: Backend, written: Written, place: Callable[..., str]
) -> None:
    backend.put(place(), status=MARKER)

    [line] = written.logs()
    assert (line["status"], line["invalid_parameters"]) == (400, ["status"])
    assert MARKER not in written.text()


@every_get
def test_what_is_not_found_is_counted_and_is_no_failure(
    backend: Backend, written: Written, place: Callable[..., str]
) -> None:
    assert backend.get(place()).status == 404

    assert written.counted("NotFound") == 1
    [line] = written.logs()
    assert "error_location" not in line
