import json

import pytest

from local import events
from local.sites import VERSION_2_SITE, XML_SITE
from paynearme.answers import callback_answer
from paynearme.messages import AuthorizationAnswer, ConfirmationAnswer
from tests.unit.merchant import ACKNOWLEDGED, CASH, ORDER, SITES, judged

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


@pytest.mark.parametrize("site", [CASH["site_identifier"], VERSION_2_SITE, XML_SITE])
def test_the_layer_s_answers_are_accepted_in_the_format_of_each_site(site: str) -> None:
    version = SITES[site]["version"]
    answer_format = "json" if site == CASH["site_identifier"] else "xml"
    decided = AuthorizationAnswer(
        pnm_order_identifier=ORDER, accept_payment="no", receipt="a<br>&", decline_reason="Account Suspended"
    )
    acknowledged = ConfirmationAnswer(pnm_order_identifier=ORDER)

    for kind, answer in (("authorize", decided), ("confirm", acknowledged)):
        body = callback_answer(answer, version, answer_format)["body"]
        delivery = judged(
            body,
            kind="authorize" if kind == "authorize" else "confirm",
            message={**CASH, "site_identifier": site},
        )

        assert delivery.reason is None
        assert delivery.accepted
        assert delivery.fields == answer.fields()
        assert (delivery.status, delivery.body) == (200, body)
        assert delivery.content_type == "application/json; charset=utf-8"


@pytest.mark.parametrize("name", events.load("authorization_answer"))
def test_the_documented_answers_are_accepted(name: str) -> None:
    answer = events.load("authorization_answer")[name]
    order = answer["payment_authorization_response"]["authorization"]["pnm_order_identifier"]

    delivery = judged(json.dumps(answer), kind="authorize", message={**CASH, "pnm_order_identifier": order})

    assert delivery.accepted


def acknowledgement(**changes: object) -> str:
    inner = {"version": "3.0", "confirmation": {"pnm_order_identifier": ORDER}, **changes}
    return json.dumps({"payment_confirmation_response": inner})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        json.dumps({"payment_confirmation_response": []}),
        json.dumps(
            {"payment_authorization_response": json.loads(ACKNOWLEDGED)["payment_confirmation_response"]}
        ),
        acknowledgement(version="2.0"),
        acknowledgement(version=3.0),
        acknowledgement(confirmation="ok"),
        acknowledgement(confirmation={}),
        acknowledgement(confirmation={"pnm_order_identifier": "80080175586"}),
        acknowledgement(confirmation={"pnm_order_identifier": int(ORDER)}),
        callback_answer(ConfirmationAnswer(pnm_order_identifier=ORDER), "3.0", "xml")["body"],
    ],
)
def test_another_answer_is_not_accepted(text: str) -> None:
    delivery = judged(text)

    assert not delivery.accepted
    assert delivery.reason


@pytest.mark.parametrize(
    "text",
    [
        ACKNOWLEDGED,
        "<a",
        callback_answer(ConfirmationAnswer(pnm_order_identifier=ORDER), "2.0", "xml")["body"],
        callback_answer(ConfirmationAnswer(pnm_order_identifier="1"), "3.0", "xml")["body"],
        callback_answer(ConfirmationAnswer(pnm_order_identifier=ORDER), "3.0", "xml")["body"].replace(
            'version="3.0"', 'version="2.0"'
        ),
        callback_answer(AuthorizationAnswer(pnm_order_identifier=ORDER, accept_payment="yes"), "3.0", "xml")[
            "body"
        ],
    ],
)
def test_another_answer_is_not_accepted_by_a_site_set_to_xml(text: str) -> None:
    assert not judged(text, message={**CASH, "site_identifier": XML_SITE}).accepted


@pytest.mark.parametrize(
    "fields", [{"accept_payment": "maybe"}, {}, {"accept_payment": "yes", "receipt": "x" * 3001}]
)
def test_an_authorization_s_answer_must_decide_and_be_short_enough(fields: dict[str, str]) -> None:
    part = {"pnm_order_identifier": ORDER, **fields}
    text = json.dumps({"payment_authorization_response": {"version": "3.0", "authorization": part}})

    delivery = judged(text, kind="authorize")

    assert not delivery.accepted
    assert delivery.fields == part


@pytest.mark.parametrize("status", [201, 302, 400, 401, 500, 503])
def test_a_good_answer_with_another_status_is_not_accepted(status: int) -> None:
    delivery = judged(ACKNOWLEDGED, status)

    assert (delivery.status, delivery.accepted) == (status, False)
    assert delivery.fields == {"pnm_order_identifier": ORDER}
