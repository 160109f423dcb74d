import json

import pytest

from paynearme.handlers.callback_response import CallbackBody, callback_response
from paynearme.protocol.callbacks import AuthorizationResponse, ConfirmationResponse
from paynearme.protocol.reversals import ReversalResponse
from sandbox.clients import sample_messages
from sandbox.fake_paynearme.callback_sender import Kind
from sandbox.fake_paynearme.sites import read_sites
from sandbox.stack.sites import VERSION_2_SITE, XML_SITE
from tests.support.merchant_stub import ACKNOWLEDGEMENT, CASH, ORDER, SITES, validated

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def acknowledged_reversal(site: str) -> ReversalResponse:
    site_settings = read_sites(SITES)[site]
    return ReversalResponse(
        envelope=site_settings.reverse_envelope, element=site_settings.reverse_element, pnm_order_identifier=ORDER
    )


@pytest.mark.parametrize("site", [CASH["site_identifier"], VERSION_2_SITE, XML_SITE])
def test_layer_response_accepted_in_format_of_site(site: str) -> None:
    version = SITES[site]["version"]
    response_format = "json" if site == CASH["site_identifier"] else "xml"
    authorization = AuthorizationResponse(
        pnm_order_identifier=ORDER, accept_payment="no", receipt="a<br>&", decline_reason="Account Suspended"
    )
    confirmation = ConfirmationResponse(pnm_order_identifier=ORDER)

    responses: dict[Kind, CallbackBody]
    responses = {"authorize": authorization, "confirm": confirmation, "reverse": acknowledged_reversal(site)}
    for kind, response in responses.items():
        body = callback_response(response, version, response_format)["body"]
        delivery = validated(body, kind=kind, message={**CASH, "site_identifier": site})

        assert delivery.reason is None
        assert delivery.accepted
        assert delivery.fields == response.fields()
        assert (delivery.status, delivery.body) == (200, body)
        assert delivery.content_type == "application/json; charset=utf-8"


@pytest.mark.parametrize("name", sample_messages.load("authorization_response"))
def test_sample_authorization_response_accepted(name: str) -> None:
    response = sample_messages.load("authorization_response")[name]
    order = response["payment_authorization_response"]["authorization"]["pnm_order_identifier"]

    delivery = validated(json.dumps(response), kind="authorize", message={**CASH, "pnm_order_identifier": order})

    assert delivery.accepted


def acknowledgement(**changes: object) -> str:
    content = {"version": "3.0", "confirmation": {"pnm_order_identifier": ORDER}, **changes}
    return json.dumps({"payment_confirmation_response": content})


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "{}",
        json.dumps({"payment_authorization_response": json.loads(ACKNOWLEDGEMENT)["payment_confirmation_response"]}),
        acknowledgement(version="2.0"),
        acknowledgement(confirmation={"pnm_order_identifier": "80080175586"}),
        callback_response(ConfirmationResponse(pnm_order_identifier=ORDER), "3.0", "xml")["body"],
    ],
)
def test_confirmation_response_invalid_not_accepted(text: str) -> None:
    delivery = validated(text)

    assert not delivery.accepted
    assert delivery.reason


@pytest.mark.parametrize(
    "text",
    [
        ACKNOWLEDGEMENT,
        callback_response(ConfirmationResponse(pnm_order_identifier=ORDER), "2.0", "xml")["body"],
        callback_response(ConfirmationResponse(pnm_order_identifier="1"), "3.0", "xml")["body"],
    ],
)
def test_xml_site_confirmation_response_invalid_not_accepted(text: str) -> None:
    assert not validated(text, message={**CASH, "site_identifier": XML_SITE}).accepted


@pytest.mark.parametrize("fields", [{"accept_payment": "maybe"}, {}, {"accept_payment": "yes", "receipt": "x" * 3001}])
def test_authorization_response_undecided_or_long_not_accepted(fields: dict[str, str]) -> None:
    element = {"pnm_order_identifier": ORDER, **fields}
    text = json.dumps({"payment_authorization_response": {"version": "3.0", "authorization": element}})

    delivery = validated(text, kind="authorize")

    assert not delivery.accepted
    assert delivery.fields == element


@pytest.mark.parametrize("status", [201, 302, 500])
def test_confirmation_response_other_status_not_accepted(status: int) -> None:
    delivery = validated(ACKNOWLEDGEMENT, status)

    assert (delivery.status, delivery.accepted) == (status, False)
    assert delivery.fields == {"pnm_order_identifier": ORDER}


@pytest.mark.parametrize("site", [CASH["site_identifier"], XML_SITE])
def test_reversal_response_other_envelope_not_accepted(site: str) -> None:
    response_format = "xml" if site == XML_SITE else "json"
    other_site = CASH["site_identifier"] if site == XML_SITE else XML_SITE
    invalid_responses: list[CallbackBody]
    invalid_responses = [
        ConfirmationResponse(pnm_order_identifier=ORDER),
        acknowledged_reversal(other_site),
        acknowledged_reversal(site).model_copy(update={"element": "confirmation"}),
        acknowledged_reversal(site).model_copy(update={"pnm_order_identifier": "1"}),
    ]

    for response in invalid_responses:
        body = callback_response(response, "3.0", response_format)["body"]
        delivery = validated(body, kind="reverse", message={**CASH, "site_identifier": site})

        assert not delivery.accepted
        assert delivery.status == 200
