"""PayNearMe's envelopes in JSON and XML."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.support.callback_fixtures import (
    SITE,
    SITE_OF_2_0,
    SITE_OF_2_0_IN_JSON,
    SITE_OF_3_0_IN_XML,
    SITES,
    TRANSPORTS,
    authorization,
    confirmation,
    site_changes,
)
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

MESSAGES = {"authorize": authorization, "confirm": confirmation}
ENVELOPES = {
    "authorize": ("payment_authorization_response", "authorization"),
    "confirm": ("payment_confirmation_response", "confirmation"),
}
SCHEMA = "http://www.paynearme.com/api/pnm_xmlschema_v"


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("site", [SITE, SITE_OF_2_0_IN_JSON])
def test_json_response_has_envelope_of_paynearme(
    cold_start: Callable[[str], LambdaFunction], name: str, site: str
) -> None:
    response = cold_start(name)(MESSAGES[name](**site_changes(site)))

    envelope, element = ENVELOPES[name]
    assert response.content_type == "application/json; charset=utf-8"
    assert response.content[envelope]["version"] == SITES[site]["version"]
    assert response.content[envelope][element]["pnm_order_identifier"] == "80080175585"
    assert (len(response.content), len(response.content[envelope])) == (1, 2)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(("site", "namespace"), [(SITE_OF_2_0, "2_0"), (SITE_OF_3_0_IN_XML, "3_0")])
def test_xml_response_has_envelope_in_namespace_of_paynearme(
    cold_start: Callable[[str], LambdaFunction], name: str, site: str, namespace: str
) -> None:
    response = cold_start(name)(MESSAGES[name](**site_changes(site)))

    envelope, element = (f"{{{SCHEMA}{namespace}}}{tag}" for tag in ENVELOPES[name])
    root = ElementTree.fromstring(response.body)  # noqa: S314 # trusted response
    assert response.content_type == "application/xml; charset=utf-8"
    assert f"<t:{ENVELOPES[name][0]} " in response.body
    assert (root.tag, [child.tag for child in root]) == (envelope, [element])
    assert root.attrib == {"version": SITES[site]["version"]}
    assert response.fields["pnm_order_identifier"] == "80080175585"


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "0"}], ids=["accepted", "declined"])
def test_json_and_xml_responses_have_same_escaped_fields(authorize: LambdaFunction, changes: dict[str, str]) -> None:
    def fields_of(site: str) -> dict[str, str]:
        message = authorization(**changes, **site_changes(site), site_payment_identifier="<a&b>]]> \"'é")
        return authorize(message).fields

    in_json, in_xml = fields_of(SITE), fields_of(SITE_OF_2_0)

    assert list(in_json) == list(in_xml)
    assert in_json | {"memo": ""} == in_xml | {"memo": ""}


def test_xml_response_without_noncharacter_of_message(authorize: LambdaFunction) -> None:
    response = authorize(authorization(site_payment_identifier="8\uffff", **site_changes(SITE_OF_2_0)))

    assert response.fields["accept_payment"] == "no"
    assert len(response.fields["site_payment_identifier"]) == 36


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("version", ["3", "3.1"])
@pytest.mark.parametrize("changes", [{}, {"payment_amount": "much"}], ids=["processed", "quarantined"])
def test_response_has_version_of_message_and_difference_counted(
    cold_start: Callable[[str], LambdaFunction],
    captured_output: CapturedOutput,
    name: str,
    version: str,
    changes: dict[str, str],
) -> None:
    function = cold_start(name)

    response = function(MESSAGES[name](version=version, **changes))

    assert response.content[ENVELOPES[name][0]]["version"] == version
    assert captured_output.metric_total("CallbackVersionDiffers") == 1
    xml_response = function(MESSAGES[name](**site_changes(SITE_OF_3_0_IN_XML) | {"version": version}, **changes))
    assert f'{SCHEMA}{version.replace(".", "_")}" version="{version}"' in xml_response.body


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_duplicate_gets_identical_body_in_each_transport(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, site: str, transport: str
) -> None:
    for function, message in ((authorize, authorization), (confirm, confirmation)):
        parameters = message(**site_changes(site))
        first = function(parameters)

        assert first.status == 200
        assert function(parameters, TRANSPORTS[transport]).body == first.body
    assert ledger_table.anomalies() == set()
