"""What our calls to PayNearMe came to, as it is counted: each call once, whatever it took."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.documents import documented
from tests.integration.backend_calls import Backend
from tests.integration.making_payments import (
    CUT,
    EXPIRED,
    HANGS,
    REFUSAL,
    REFUSED_CONNECTION,
    SLOW_CONNECTION,
    Making,
)
from tests.integration.observed import Function, StoredSites, Written
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE
from tests.integration.token_address import TokenAddress
from tests.messages import valid_smart_token_request

ASKED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "get_smart_token": (
        "/smart-tokens",
        valid_smart_token_request(),
        documented("get_smart_token_answer", "guaranteed_ach"),
    ),
    "create_order": (
        "/orders",
        documented("create_order", "guaranteed_ach") | {"site_identifier": SITE},
        documented("create_order_answer", "guaranteed_ach"),
    ),
    "find_payment_methods": (
        "/payment-methods/find",
        {"site_customer_identifier": "1"},
        documented("find_payment_methods_answer", "saved"),
    ),
}
"""Of each operation that is only asked: its address, a request, and a good answer."""

CAME_TO: dict[str, tuple[Any, str]] = {
    "refused": ((200, REFUSAL), "Refused"),
    "credentials": ((403, {}), "CredentialsRefused"),
    "signature": ((401, {}), "CredentialsRefused"),
    "too many": ((429, {}), "NotTaken"),
    "no connection": (REFUSED_CONNECTION, "NotTaken"),
    "a page": ((500, b"<html>"), "Fault"),
    "another answer": ((200, {"status": "ok"}), "Fault"),
    "cut": (CUT, "Fault"),
    "slow": (HANGS, "Timeout"),
    "slow to connect": (SLOW_CONNECTION, "NotReached"),
}


def of_paynearme(written: Written) -> dict[str, int]:
    """Return what was counted of PayNearMe's answers."""
    names = {name for line in written.metrics() for name in line if name.startswith("PayNearMe")}
    return {name.removeprefix("PayNearMe"): written.counted(name) for name in names}


@pytest.mark.parametrize("operation", ASKED)
def test_a_good_answer_is_counted(
    paynearme: PayNearMeStub, cold_start: Callable[[str], Function], written: Written, operation: str
) -> None:
    path, request, good = ASKED[operation]
    paynearme.say((200, good))

    assert Backend(cold_start).post(path, request).status == 200

    assert of_paynearme(written) == {"Answered": 1}


@pytest.mark.parametrize("case", CAME_TO)
@pytest.mark.parametrize("operation", ASKED)
def test_any_other_answer_is_counted_by_its_kind(
    paynearme: PayNearMeStub, cold_start: Callable[[str], Function], written: Written, operation: str, case: str
) -> None:
    path, request, _ = ASKED[operation]
    said, kind = CAME_TO[case]
    paynearme.say(said)

    assert Backend(cold_start).post(path, request).status >= 400

    assert of_paynearme(written) == {kind: 1}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((200, {"status": "ok"}), "Answered"),
        ((200, REFUSAL), "Refused"),
        ((200, EXPIRED), "BankAuthorizationExpired"),
        ((401, {}), "CredentialsRefused"),
        (REFUSED_CONNECTION, "NotTaken"),
        (SLOW_CONNECTION, "NotReached"),
        (HANGS, "OutcomeUnknown"),
        ((500, b"<html>"), "OutcomeUnknown"),
    ],
)
def test_a_payment_that_is_asked_for_is_counted_by_what_it_came_to(
    making: Making, written: Written, said: Any, kind: str
) -> None:
    making.paynearme.say(said)

    making.make()

    assert of_paynearme(written) == {kind: 1}


def test_a_stored_answer_that_is_told_again_is_no_call(making: Making, written: Written) -> None:
    making.paynearme.say((200, REFUSAL))

    for _ in range(3):
        making.make()

    assert of_paynearme(written) == {"Refused": 1}


def test_an_outcome_that_nobody_knows_is_counted_each_time_that_it_is_told(
    making: Making, written: Written
) -> None:
    making.paynearme.say(HANGS)

    for _ in range(3):
        making.make()

    assert of_paynearme(written) == {"OutcomeUnknown": 1}
    assert written.counted("PaymentOutcomeUnknown") == 3


@pytest.mark.usefixtures("token_address")
def test_a_token_that_is_refused_and_replaced_leaves_one_good_answer(
    paynearme: PayNearMeStub, cold_start: Callable[[str], Function], oauth_site: str, written: Written
) -> None:
    path, request, good = ASKED["get_smart_token"]
    paynearme.say((200, good))
    paynearme.answers = [paynearme.saying(401, {})]

    assert Backend(cold_start).post(path, request | {"site_identifier": oauth_site}).status == 200

    assert of_paynearme(written) == {"Answered": 1}


def test_a_client_that_gets_no_token_has_its_credentials_refused(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], Function],
    token_address: TokenAddress,
    oauth_site: str,
    written: Written,
) -> None:
    token_address.answer = paynearme.saying(401, {"error": "invalid_client"})
    path, request, _ = ASKED["get_smart_token"]

    assert Backend(cold_start).post(path, request | {"site_identifier": oauth_site}).status == 502

    assert paynearme.sent == []
    assert of_paynearme(written) == {"CredentialsRefused": 1}


def test_a_call_that_failed_before_it_was_one_is_no_answer_of_paynearmes(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], Function],
    stored_sites: StoredSites,
    written: Written,
) -> None:
    stored_sites.delete()

    path, request, _ = ASKED["get_smart_token"]
    assert Backend(cold_start).post(path, request).status == 503

    assert of_paynearme(written) == {}
