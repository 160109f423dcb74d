from typing import Any

import pytest

from tests.integration.making_payments import (
    CONFIRMED,
    CUT,
    DECLINED,
    EXPIRED,
    EXPIRED_AUTHORIZATION,
    HANGS,
    ORDER,
    PNM_PAYMENT,
    REFUSAL,
    REFUSED,
    REQUEST,
    SUBMITTED,
    TAKEN,
    UNKNOWN,
    Making,
    identifier_of,
    outcome,
)
from tests.integration.observed import Function, Written
from tests.integration.payments_over_time import NOON, at, sent
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import CUSTOMER, SITE, authorization

# What leaves nobody sure whether PayNearMe made the payment.
LOST: dict[str, Any] = {
    "hangs": HANGS,
    "cut": CUT,
    "HTML": (200, b"<html>Down</html>"),
    "half an answer": (200, b'{"status": "ok", "paym'),
    "500": (500, {"status": "error", "errors": ["Down"]}),
    "503": (503, b"<html>Down</html>"),
    "redirected": (302, TAKEN),
    "neither": (200, {"status": "pending"}),
    "a list": (200, [TAKEN]),
}
lost = pytest.mark.parametrize("said", LOST.values(), ids=LOST)


@pytest.fixture
def unknown(making: Making) -> Making:
    """A payment of which nobody knows what became of it. PayNearMe would take another."""
    making.paynearme.answers = [HANGS]
    assert outcome(making.make()) == UNKNOWN
    return making


@lost
def test_what_nobody_can_tell_is_told_and_stored_as_unknown(making: Making, said: Any) -> None:
    making.paynearme.say(said)

    first = making.make()

    assert outcome(first) == UNKNOWN
    assert first.content["site_payment_identifier"] == identifier_of()
    assert making.intent()["status"] == "unknown"
    assert [making.after(seconds).make() for seconds in (0, 5, 3600)] == [first] * 3
    assert len(making.paynearme.sent) == 1


@lost
def test_what_could_have_reached_paynearme_is_not_sent_again_by_urllib3_either(
    paynearme_behind_urllib3: PayNearMeStub, making: Making, said: Any
) -> None:
    paynearme_behind_urllib3.say(said)

    assert outcome(making.make()) == UNKNOWN
    assert len(paynearme_behind_urllib3.sent) == 1


def test_a_confirmation_settles_it(unknown: Making) -> None:
    unknown.tell(payment_amount="999.50", net_payment_amount="990.00")

    answers = [unknown.after(seconds).make() for seconds in (0, 3600)]

    assert [outcome(answer) for answer in answers] == [CONFIRMED] * 2
    assert answers[0].content == {
        "status": "confirmed",
        "site_payment_identifier": identifier_of(),
        "pnm_payment_identifier": PNM_PAYMENT,
        "pnm_order_identifier": ORDER,
        "payment_method_identifier": REQUEST["payment_method_identifier"],
        "payment_amount": "999.50",
        "payment_currency": "USD",
    }
    assert len(unknown.paynearme.sent) == 1


@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "not authorized"])
def test_it_settles_it_whether_or_not_it_was_authorized(
    unknown: Making, authorize: Function, authorized: bool
) -> None:
    if authorized:
        asked = {
            "pnm_order_identifier": ORDER,
            "pnm_payment_identifier": PNM_PAYMENT,
            "timestamp": sent(NOON),
        }
        at(NOON, authorize, authorization(**asked, payment_amount="1000.00"))

    unknown.tell()

    assert outcome(unknown.make()) == CONFIRMED
    assert unknown.stored.balances() == {CUSTOMER: 1000}


def test_a_confirmed_decline_settles_it(unknown: Making) -> None:
    unknown.tell(status="decline")

    answer = unknown.make()

    assert outcome(answer) == DECLINED
    assert answer.content["site_payment_identifier"] == identifier_of()
    assert answer.content["pnm_payment_identifier"] == PNM_PAYMENT
    assert len(unknown.paynearme.sent) == 1


@pytest.mark.parametrize("second", [PNM_PAYMENT, "943751749957"], ids=["the same", "another"])
@pytest.mark.parametrize("declined_first", [True, False])
def test_a_payment_that_was_made_counts_more_than_one_that_was_declined(
    unknown: Making, second: str, declined_first: bool
) -> None:
    decline = {"status": "decline", "pnm_payment_identifier": second}
    for changes in ([decline, {}], [{}, decline])[not declined_first]:
        unknown.tell(**changes)

    answer = unknown.make()

    assert outcome(answer) == CONFIRMED
    assert answer.content["pnm_payment_identifier"] == PNM_PAYMENT


@pytest.mark.parametrize("declined_first", [True, False])
def test_the_amount_that_is_told_is_that_of_the_payment_that_was_made(
    unknown: Making, declined_first: bool
) -> None:
    decline = {"status": "decline", "pnm_payment_identifier": "943751749957", "payment_amount": "7.00"}
    for changes in ([decline, {}], [{}, decline])[not declined_first]:
        unknown.tell(**changes)

    assert unknown.make().content["payment_amount"] == "1000.00"


@pytest.mark.parametrize("test_first", [True, False])
@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", DECLINED)])
@pytest.mark.parametrize("of_test", ["payment", "decline"])
def test_what_is_told_of_money_counts_more_than_what_a_test_tells(
    unknown: Making, of_test: str, status: str, expected: tuple[int, str], test_first: bool
) -> None:
    test = {"test": "true", "status": of_test, "pnm_payment_identifier": "943751749957"}
    for changes in ([test, {"status": status}], [{"status": status}, test])[not test_first]:
        unknown.tell(**changes)

    answer = unknown.make()

    assert outcome(answer) == expected
    assert answer.content["pnm_payment_identifier"] == PNM_PAYMENT


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=str)
def test_identifier_and_amount_belong_to_one_payment_where_two_have_our_identifier(
    unknown: Making, order: list[int]
) -> None:
    payments = [("943751749957", "7.00"), ("943751749955", "2000.00")]
    for number, amount in (payments[place] for place in order):
        changes = {"payment_amount": amount, "net_payment_amount": amount}
        unknown.tell(pnm_payment_identifier=number, **changes)

    told = unknown.make().content
    assert (told["pnm_payment_identifier"], told["payment_amount"]) in payments


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_however_many_confirmations_name_one_identifier_what_is_kept_of_them_does_not_grow(
    unknown: Making, status: str
) -> None:
    sizes = set()
    for number in range(100, 112):
        unknown.tell(status=status, pnm_payment_identifier=f"943751749{number}")
        [item] = unknown.told()
        sizes.add(len(str(item)))
    assert len(sizes) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize(
    "changes",
    [
        {"pnm_order_identifier": "84274665125"},
        {"site_payment_identifier": identifier_of("another")},
        {"site_payment_identifier": None},
        {"site_payment_identifier": identifier_of().upper()},
    ],
    ids=["other order", "other identifier", "no identifier", "other spelling"],
)
def test_a_confirmation_of_another_payment_settles_nothing(
    unknown: Making, changes: dict[str, str | None], status: str
) -> None:
    unknown.tell(status=status, **changes)

    assert outcome(unknown.make()) == UNKNOWN


@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", DECLINED)])
def test_a_test_settles_it_and_posts_no_money(
    unknown: Making, status: str, expected: tuple[int, str]
) -> None:
    unknown.tell(test="true", status=status)

    assert outcome(unknown.make()) == expected
    assert unknown.stored.balances() == {}


@pytest.mark.parametrize("said", [REFUSAL, EXPIRED], ids=["refused", "expired"])
def test_a_refusal_is_stored_and_told_again_as_it_was(making: Making, said: dict[str, Any]) -> None:
    making.paynearme.answers = [making.paynearme.saying(200, said)]

    first = making.make()

    assert [making.after(seconds).make() for seconds in (0, 3600)] == [first] * 2
    assert first.content["response_code"] == said["response_code"]
    assert first.content["errors"] == said["errors"]
    assert len(making.paynearme.sent) == 1


def test_a_refusal_without_a_code_and_words_is_one_as_well(making: Making) -> None:
    making.paynearme.answers = [making.paynearme.saying(400, {"status": "error"})]

    answers = [making.make() for _ in range(2)]

    assert [outcome(answer) for answer in answers] == [REFUSED] * 2
    assert answers[0] == answers[1]


def test_an_expired_authorization_is_told_with_what_reconnects_the_bank(
    making: Making, get_smart_token: Function
) -> None:
    making.paynearme.answers = [making.paynearme.saying(200, EXPIRED)]

    answer = making.make()

    assert outcome(answer) == EXPIRED_AUTHORIZATION
    method = REQUEST["payment_method_identifier"]
    assert answer.content["payment_method_identifier"] == method
    making.paynearme.answer = PayNearMeStub().answer
    to_return = {"flow_return_url": "https://merchant.example.com/cashier"}
    for beside in ({}, to_return):
        assert get_smart_token(answer.content["reconnect"] | beside).status == 200
    asked = making.paynearme.sent[-1]
    assert making.paynearme.addresses[-1].endswith("/get_smart_token")
    assert (asked["flow_trustly"], asked["flow_trustly_reconnect"]) == ("true", method)
    assert (asked["pnm_order_identifier"], asked["site_identifier"]) == (ORDER, SITE)
    assert asked["flow_return_url"] == to_return["flow_return_url"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (HANGS, ["PaymentOutcomeUnknown", "PayNearMeOutcomeUnknown"]),
        ((401, {}), ["PayNearMeCredentialsRejected"]),
        ((403, {}), ["PayNearMeCredentialsRejected"]),
    ],
)
def test_it_is_counted_for_whoever_watches(
    making: Making, written: Written, said: Any, names: list[str]
) -> None:
    making.paynearme.say(said)

    making.make()

    assert [written.counted(name) for name in names] == [1] * len(names)
    assert written.counted("PaymentOutcomeWriteFailed") == 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((200, REFUSAL), REFUSED),
        ((200, EXPIRED), EXPIRED_AUTHORIZATION),
        ((500, b"<html>"), UNKNOWN),
        ((200, {"status": "ok"}), SUBMITTED),
    ],
    ids=["refused", "expired", "unknown", "submitted"],
)
def test_one_log_line_names_order_and_payment_and_says_nothing_more(
    making: Making, written: Written, said: tuple[int, Any], expected: tuple[int, str]
) -> None:
    making.paynearme.answer = making.paynearme.saying(*said)

    assert outcome(making.make()) == expected
    [line] = written.logs()
    assert (line["operation"], line["status"]) == ("make_payment", expected[0])
    assert (line["pnm_order_identifier"], line["site_payment_identifier"]) == (ORDER, identifier_of())
    assert REQUEST["payment_method_identifier"] not in written.text()
