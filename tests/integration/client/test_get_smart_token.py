from collections.abc import Callable
from typing import Any

import pytest

from paynearme.platform.deadline import Deadline
from paynearme.protocol.signing import verify
from sandbox.clients.sample_messages import load
from tests.support.api_driver import ApiDriver, parameter_errors, problem_type
from tests.support.aws_errors import MARKER
from tests.support.callback_fixtures import SITE, SITE_OF_3_0_IN_XML, SITES
from tests.support.fake_clock import Clock
from tests.support.harness import LambdaFunction
from tests.support.message_fixtures import valid_guaranteed_ach_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

PATH = "/smart-tokens"
REQUEST = {"pnm_order_identifier": 84488215678, "payment_amount": 10.5, "payment_field_fixed": True}


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start)


def test_smart_token_sample_sent_signed_and_as_text(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    request = load("get_smart_token")["guaranteed_ach"] | {"site_identifier": SITE, "signature": "f" * 64}

    response = api_driver.post(PATH, request)

    [order], [sample_order] = response.content["orders"], SAMPLE_REPLY["orders"]
    names = ("pnm_order_identifier", "site_order_identifier", "secure_smart_token", "secure_smart_link")
    assert {name: order[name] for name in names} == {name: sample_order[name] for name in names}
    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/get_smart_token"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert {name: sent[name] for name in request.keys() - {"timestamp", "signature"}} == {
        name: request[name].strip() for name in request.keys() - {"timestamp", "signature"}
    }


def test_smart_token_numbers_as_text_omit_unknown_fields(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    order = SAMPLE_REPLY["orders"][0] | {"pnm_order_identifier": 82882345534, "site_order_identifier": None}
    paynearme.reply((200, {"status": "ok", "orders": [order, order], "more": MARKER}))

    response = api_driver.post(PATH, REQUEST | {"flow_debit": None})

    assert [order["pnm_order_identifier"] for order in response.content["orders"]] == ["82882345534"] * 2
    assert MARKER not in response.body
    sent = paynearme.sent[0]
    assert (sent["payment_amount"], sent["payment_field_fixed"]) == ("10.50", "true")
    assert "flow_debit" not in sent
    # The default site.
    assert sent["site_identifier"] == SITE


def test_smart_token_selected_site_signs_with_its_api_secret(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    assert api_driver.post(PATH, REQUEST | {"site_identifier": SITE_OF_3_0_IN_XML}).status == 200

    [sent] = paynearme.sent
    assert sent["site_identifier"] == SITE_OF_3_0_IN_XML
    verify(sent, sent["signature"], [SITES[SITE_OF_3_0_IN_XML]["api_secret"]], "3.0")


def test_smart_token_without_site_and_default_is_invalid(
    api_driver: ApiDriver, paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEFAULT_SITE_IDENTIFIER")

    assert parameter_errors(api_driver.post(PATH, REQUEST)).keys() == {"site_identifier"}
    assert paynearme.sent == []


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (REQUEST | {"payment_amount": MARKER, "unknown_marker": MARKER}, {"payment_amount", "unknown_marker"}),
        (REQUEST | {"site_identifier": MARKER}, {"site_identifier"}),
        (valid_guaranteed_ach_request(ext_customer_tax_id_pii=None), {"ext_customer_tax_id_pii"}),
    ],
)
def test_smart_token_invalid_parameters_are_named_and_not_sent(
    api_driver: ApiDriver, paynearme: PayNearMeStub, content: dict[str, Any], names: set[str]
) -> None:
    response = api_driver.post(PATH, content)

    assert parameter_errors(response).keys() == names
    assert MARKER not in response.body
    assert paynearme.sent == []


def test_smart_token_deadline_passed_returns_504_without_call(
    api_driver: ApiDriver, paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert api_driver.post(PATH, REQUEST).status == 200
    monkeypatch.setattr(Deadline, "after", lambda _: Deadline(clock.now, clock, clock.sleep))

    response = api_driver.post(PATH, REQUEST)

    assert (response.status, problem_type(response)) == (504, "paynearme-timeout")
    assert len(paynearme.sent) == 1
