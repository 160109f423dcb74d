"""The order identifier finds every log line of a payment, from the Smart Token to the reversal."""

import pytest

from tests.support.api_driver import KEY, READ_TIMEOUT, REQUEST, ApiDriver
from tests.support.aws_errors import MARKER
from tests.support.callback_fixtures import authorization
from tests.support.harness import CapturedOutput, LambdaFunction, SitesSecret
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

ORDER = "84488215678"
OTHER_ORDER = "84488215679"
SAMPLE_ORDER = SAMPLE_REPLY["orders"][0]


pytestmark = pytest.mark.usefixtures("paynearme")


@pytest.mark.parametrize("changes", [{}, {"test": "maybe"}, {"timestamp": "1"}])
def test_order_identifier_of_authentic_callback_logged(
    authorize: LambdaFunction, captured_output: CapturedOutput, changes: dict[str, str]
) -> None:
    assert authorize(authorization(pnm_order_identifier=ORDER, **changes)).status == 200

    [line] = captured_output.logs()
    assert (line["pnm_order_identifier"], line["pnm_payment_identifier"]) == (ORDER, "830466818968")
    assert "signature_unverified" not in line


def test_order_identifier_without_secret_logged_as_unverified(
    authorize: LambdaFunction, sites_secret: SitesSecret, captured_output: CapturedOutput
) -> None:
    sites_secret.delete()
    assert authorize(authorization(pnm_order_identifier=ORDER)).status == 200

    [line] = captured_output.logs()
    assert (line["pnm_order_identifier"], line["signature_unverified"]) == (ORDER, True)
    assert (line["accepted"], line["decision_reason"]) == (False, "cannot_decide_now")


@pytest.mark.parametrize(
    ("value", "status"), [(f"{MARKER}@example.com", 200), ("8" * 65, 200), ("1 2", 200), ("", 400), ("1\n", 400)]
)
def test_order_identifier_malformed_or_forged_not_logged(
    authorize: LambdaFunction, captured_output: CapturedOutput, value: str, status: int
) -> None:
    assert authorize(authorization(pnm_order_identifier=value)).status == status
    assert "pnm_order_identifier" not in captured_output.logs()[-1]
    assert authorize(authorization(pnm_order_identifier=ORDER) | {"signature": "0"}).status == 401
    assert "pnm_order_identifier" not in captured_output.logs()[-1]
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([ORDER], {"pnm_order_identifier": ORDER}),
        ([OTHER_ORDER, ORDER, OTHER_ORDER], {"pnm_order_identifiers": [ORDER, OTHER_ORDER]}),
    ],
)
def test_order_identifiers_of_smart_token_logged(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    captured_output: CapturedOutput,
    orders: list[str],
    expected: dict[str, object],
) -> None:
    found = [SAMPLE_ORDER | {"pnm_order_identifier": int(order)} for order in orders]
    paynearme.reply((200, SAMPLE_REPLY | {"orders": found}))
    assert api_driver.post("/smart-tokens", {"site_customer_identifier": "1"}).status == 200

    assert expected.items() <= captured_output.logs()[-1].items()


def test_order_identifier_of_failed_smart_token_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    paynearme.reply(READ_TIMEOUT)
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": ORDER}).status == 504

    assert captured_output.logs()[-1]["pnm_order_identifier"] == ORDER


def test_order_identifier_malformed_of_smart_token_not_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    email = f"{MARKER}@example.com"
    paynearme.reply((200, SAMPLE_REPLY | {"orders": [SAMPLE_ORDER | {"pnm_order_identifier": email}]}))
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": email}).status == 200

    assert MARKER not in captured_output.text()


def test_order_identifier_of_invalid_payment_logged(api_driver: ApiDriver, captured_output: CapturedOutput) -> None:
    assert api_driver.post("/payments", REQUEST | {"payment_amount": "much"}, KEY).status == 400

    assert captured_output.logs()[-1]["pnm_order_identifier"] == REQUEST["pnm_order_identifier"]
