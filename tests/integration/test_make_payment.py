from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from paynearme.signing import verify
from tests.documents import documented, names_of
from tests.events_of_gateway import json_event
from tests.integration.backend_calls import faults
from tests.integration.making_payments import (
    EXPIRED,
    HANGS,
    KEY,
    MARKER,
    ORDER,
    PNM_PAYMENT,
    REFUSAL,
    REQUEST,
    REUSED,
    SUBMITTED,
    UNDER_WAY,
    UNKNOWN,
    Making,
    identifier_of,
    outcome,
)
from tests.integration.observed import Function
from tests.integration.signed_callbacks import SITE, SITE_OF_3_0_IN_XML, SITES
from tests.template import RESOURCES

OTHER_CONTENT = [
    {"payment_amount": "1000.01"},
    {"pnm_order_identifier": "84274665125"},
    {"payment_method_identifier": "23b9e4ba13242"},
    {"site_channel": "call-center"},
]
ANSWER = {
    "status": "submitted",
    "site_payment_identifier": identifier_of(),
    "pnm_payment_identifier": PNM_PAYMENT,
    "pnm_order_identifier": ORDER,
    "payment_method_identifier": "76590ef5135ae",
    "payment_amount": "1000.00",
    "payment_currency": "USD",
}


def test_a_payment_is_asked_of_paynearme_with_our_identifier(making: Making) -> None:
    answer = making.make()

    assert (answer.status, answer.content) == (200, ANSWER)
    assert making.paynearme.addresses == ["POST https://api.paynearme.invalid/json-api/make_payment"]
    [sent] = making.paynearme.sent
    assert set(sent) == {
        *REQUEST,
        "site_payment_identifier",
        "site_identifier",
        "timestamp",
        "version",
        "signature",
    }
    assert {name: sent[name] for name in REQUEST} == REQUEST | {"payment_amount": "1000.00"}
    assert sent["site_payment_identifier"] == identifier_of()
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")


@pytest.mark.parametrize("name", names_of("make_payment"))
def test_the_guides_requests_are_taken_as_they_stand(making: Making, name: str) -> None:
    request = documented("make_payment", name) | {"site_identifier": SITE, "signature": "f" * 64}

    assert making.make(**request).status == 200
    assert making.paynearme.sent[0]["payment_method_identifier"] == request["payment_method_identifier"]


@pytest.mark.parametrize("seconds", [0, 5, 3600, 40 * 24 * 3600])
def test_the_same_call_again_gets_the_stored_answer_and_paynearme_is_not_asked(
    making: Making, seconds: float
) -> None:
    first = making.make()

    assert making.after(seconds).make() == first
    assert len(making.paynearme.sent) == 1


def test_the_same_content_in_another_spelling_is_the_same_payment(making: Making) -> None:
    first = making.make()
    spelled: dict[str, Any] = {
        "payment_amount": 1000.0,
        "signature": "f" * 64,
        "timestamp": "1",
        "site_identifier": SITE,
    }

    assert making.make(**spelled) == first
    assert len(making.paynearme.sent) == 1


def test_another_process_knows_it_too(making: Making) -> None:
    first = making.make()
    making.backend.started.clear()

    assert making.make() == first
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("changes", OTHER_CONTENT, ids=str)
def test_a_key_that_comes_with_other_content_is_refused(making: Making, changes: dict[str, Any]) -> None:
    first = making.make()

    assert outcome(making.make(**changes)) == REUSED
    assert making.make() == first
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("seconds", [0, 9.9, 10, 3600])
def test_other_content_is_refused_while_the_payment_is_under_way_and_later(
    making: Making, seconds: float
) -> None:
    making.begin()

    assert outcome(making.after(seconds).make(payment_amount="1000.01")) == REUSED
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("said", [REFUSAL, EXPIRED], ids=["refused", "expired"])
def test_other_content_is_refused_after_a_refusal(making: Making, said: dict[str, Any]) -> None:
    making.paynearme.answer = making.paynearme.saying(200, said)
    making.make()

    assert outcome(making.make(payment_amount="1000.01")) == REUSED
    assert len(making.paynearme.sent) == 1


def test_other_content_is_refused_after_what_was_not_taken(making: Making) -> None:
    making.paynearme.answer = making.paynearme.saying(401, {})
    making.make()

    assert outcome(making.make(payment_amount="1000.01")) == REUSED
    assert len(making.paynearme.sent) == 1


def test_another_key_is_another_payment(making: Making) -> None:
    answers = [making.make(key) for key in (KEY, f"{KEY}-2")]

    assert [answer.content["site_payment_identifier"] for answer in answers] == [
        identifier_of(),
        identifier_of(f"{KEY}-2"),
    ]
    assert len({sent["site_payment_identifier"] for sent in making.paynearme.sent}) == 2


def test_the_same_key_for_another_site_is_another_payment(making: Making) -> None:
    answers = [making.make(site_identifier=site) for site in (SITE, SITE_OF_3_0_IN_XML)]

    assert [answer.status for answer in answers] == [200, 200]
    assert len({sent["site_payment_identifier"] for sent in making.paynearme.sent}) == 2


@pytest.mark.parametrize(("seconds", "wait"), [(0, 10), (0.5, 10), (3, 7), (9.5, 1), (9.999, 1)])
def test_while_it_is_under_way_a_call_is_told_when_to_come_again(
    making: Making, seconds: float, wait: int
) -> None:
    making.begin()

    answer = making.after(seconds).make()

    assert outcome(answer) == UNDER_WAY
    assert answer.retry_after == str(wait)
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("seconds", [10, 11, 3600, 40 * 24 * 3600])
def test_when_nobody_can_be_at_it_any_more_the_outcome_is_unknown(making: Making, seconds: float) -> None:
    making.begin()

    answers = [making.after(seconds).make() for _ in range(2)]

    assert [outcome(answer) for answer in answers] == [UNKNOWN] * 2
    assert answers[0].content["site_payment_identifier"] == identifier_of()
    assert answers[0].retry_after is None
    assert len(making.paynearme.sent) == 1


def test_a_call_while_the_first_is_at_it_does_not_ask(making: Making) -> None:
    during: list[Any] = []
    making.paynearme.meanwhile.append(lambda: during.append(making.make()))

    assert outcome(making.make()) == SUBMITTED
    assert [outcome(answer) for answer in during] == [UNDER_WAY]
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("key", [None, "", " ", "zq7 key", "zq7\n", "zq7é", "zq7" * 86], ids=repr)
def test_a_key_that_is_missing_or_malformed_is_named(making: Making, key: str | None) -> None:
    answer = making.make(key)

    assert faults(answer).keys() == {"Idempotency-Key"}
    assert MARKER not in answer.body
    assert (making.paynearme.sent, making.stored.everything()) == ([], [])


@pytest.mark.parametrize("key", ["!", "zq7~", "zq7" * 85])
def test_a_key_is_any_visible_text(making: Making, key: str) -> None:
    assert outcome(making.make(key)) == SUBMITTED


def send(making: Making, headers: dict[str, list[str]] | None, **content: str) -> Any:
    event = json_event(REQUEST | content) | {"multiValueHeaders": headers}
    return making.backend.at(making.now).send("/payments", event)


@pytest.mark.parametrize("name", ["idempotency-key", "IDEMPOTENCY-KEY", "Idempotency-Key"])
def test_the_headers_name_is_spelled_as_the_caller_likes(making: Making, name: str) -> None:
    assert send(making, {"Host": ["x"], name: [KEY]}).content == ANSWER


@pytest.mark.parametrize(
    "headers",
    [{"Idempotency-Key": [KEY, KEY]}, {"Idempotency-Key": [KEY], "idempotency-key": [f"{KEY}-2"]}],
    ids=["one name", "two spellings"],
)
def test_two_keys_are_refused(making: Making, headers: dict[str, list[str]]) -> None:
    assert faults(send(making, headers)).keys() == {"Idempotency-Key"}
    assert making.paynearme.sent == []


@pytest.mark.parametrize("name", ["idempotency_key", "Idempotency-Key"])
def test_a_key_in_the_body_is_none(making: Making, name: str) -> None:
    assert name in faults(send(making, None, **{name: KEY}))
    assert making.paynearme.sent == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"payment_amount": "0"}, "payment_amount"),
        ({"payment_amount": None}, "payment_amount"),
        ({"payment_currency": "CAD"}, "payment_currency"),
        ({"pnm_order_identifier": "zq7 order"}, "pnm_order_identifier"),
        ({"payment_method_identifier": ""}, "payment_method_identifier"),
        ({"site_channel": None}, "site_channel"),
        ({"site_payment_identifier": "zq7"}, "site_payment_identifier"),
        ({"site_identifier": "zq7"}, "site_identifier"),
    ],
    ids=str,
)
def test_what_the_caller_got_wrong_is_named_and_neither_stored_nor_sent(
    making: Making, changes: dict[str, Any], name: str
) -> None:
    answer = making.make(**changes)

    assert faults(answer).keys() == {name}
    assert MARKER not in answer.body
    assert (making.paynearme.sent, making.stored.everything()) == ([], [])


def leading_keys(role: str, action: str) -> list[str]:
    """Return which keys the template lets a function use."""
    [policy] = RESOURCES[role]["Properties"]["Policies"]
    [statement] = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == action]
    keys: list[str] = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    return keys


def admitted(keys: set[str], role: str, action: str) -> bool:
    patterns = leading_keys(role, action)
    return bool(keys) and all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in keys)


def test_the_keys_of_all_items_are_those_that_the_template_admits(making: Making) -> None:
    making.paynearme.answer = HANGS
    making.make()
    intents = {item["pk"] for item in making.stored.everything()}
    for test in (None, "true"):
        making.tell(test=test)
    told = {item["pk"] for item in making.told()}
    others = {item["pk"] for item in making.stored.everything()} - intents

    assert len(told) == 2
    assert admitted(intents, "MakePaymentRole", "dynamodb:UpdateItem")
    assert admitted(others, "ConfirmRole", "dynamodb:UpdateItem")
    assert admitted(told, "MakePaymentRole", "dynamodb:BatchGetItem")


@pytest.mark.parametrize("event", [{}, None, [MARKER], {"httpMethod": "POST", "multiValueHeaders": MARKER}])
def test_a_garbage_event_has_an_answer(
    making: Making, cold_start: Callable[[str], Function], event: Any
) -> None:
    assert cold_start("make_payment").handle(event).status in (400, 500)
    assert making.paynearme.sent == []
