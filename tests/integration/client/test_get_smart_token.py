from collections.abc import Callable
from typing import Any, cast

import pytest
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError, SSLError

from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import MAX_BYTES
from paynearme.protocol.signing import verify
from tests.support.api_gateway_events import body_event, bytes_event, json_event
from tests.support.callback_fixtures import SITE, SITE_OF_3_0_IN_XML, SITES
from tests.support.fake_clock import Clock
from tests.support.harness import LambdaFunction, Response, SitesSecret
from tests.support.message_fixtures import valid_guaranteed_ach_request, valid_smart_token_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub
from tests.support.samples import load_sample, sample_names

MARKER = "zq7marker7qz"
RETURNED_ORDER_FIELDS = (
    "pnm_order_identifier",
    "site_order_identifier",
    "secure_smart_token",
    "secure_smart_link",
    "order_tracking_url",
)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status == status
    assert response.content_type == "application/problem+json; charset=utf-8"
    assert MARKER not in response.body
    content = response.content
    assert {"type", "title", "status"} <= set(content)
    assert content["status"] == status
    return content


def invalid_parameters(response: Response) -> list[str]:
    """Return the names of the invalid parameters. Fails if the response is not a 400."""
    errors = problem(response, 400)["errors"]
    assert all(error["description"] for error in errors)
    return [error["parameter"] for error in errors]


def test_smart_token_response_contains_orders_of_paynearme(get_smart_token: LambdaFunction) -> None:
    response = get_smart_token(valid_smart_token_request())

    assert response.status == 200
    assert response.content_type == "application/json; charset=utf-8"
    assert list(response.content) == ["orders"]
    [order], [sample_order] = response.content["orders"], SAMPLE_REPLY["orders"]
    assert {name: order[name] for name in RETURNED_ORDER_FIELDS} == {
        name: sample_order[name] for name in RETURNED_ORDER_FIELDS
    }


def test_smart_token_numeric_order_identifiers_returned_as_text(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    order = SAMPLE_REPLY["orders"][0] | {"pnm_order_identifier": 82882345534, "site_order_identifier": None}
    paynearme.default_reply = paynearme.replying(200, {"status": "ok", "orders": [order, order], "more": MARKER})

    response = get_smart_token(valid_smart_token_request())

    assert [order["pnm_order_identifier"] for order in response.content["orders"]] == ["82882345534"] * 2
    assert MARKER not in response.body


@pytest.mark.parametrize("name", sample_names("get_smart_token"))
def test_smart_token_sample_requests_sent_signed_and_as_text(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, name: str
) -> None:
    request = load_sample("get_smart_token", name) | {"site_identifier": SITE, "signature": "f" * 64}

    assert get_smart_token.handle(json_event(request)).status == 200
    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/get_smart_token"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert sent["timestamp"] != request["timestamp"]
    assert {n: sent[n].strip() for n in request if n not in ("timestamp", "signature")} == {
        n: v.strip() for n, v in request.items() if n not in ("timestamp", "signature")
    }


def test_smart_token_json_numbers_and_booleans_sent_as_text(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    request = {"pnm_order_identifier": 84488215678, "payment_amount": 10.5, "payment_field_fixed": True}

    assert get_smart_token.handle(json_event(request | {"flow_debit": None})).status == 200
    sent = paynearme.sent[0]
    assert (sent["payment_amount"], sent["payment_field_fixed"]) == ("10.50", "true")
    assert "flow_debit" not in sent


def test_smart_token_selected_site_signs_with_its_api_secret(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    assert get_smart_token(valid_smart_token_request(site_identifier=SITE_OF_3_0_IN_XML)).status == 200

    [sent] = paynearme.sent
    assert sent["site_identifier"] == SITE_OF_3_0_IN_XML
    verify(sent, sent["signature"], [SITES[SITE_OF_3_0_IN_XML]["api_secret"]], "3.0")


def test_smart_token_without_site_uses_default_site(get_smart_token: LambdaFunction, paynearme: PayNearMeStub) -> None:
    get_smart_token(valid_smart_token_request())

    assert paynearme.sent[0]["site_identifier"] == SITE


def test_smart_token_without_site_and_default_is_invalid(
    cold_start: Callable[[str], LambdaFunction], paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEFAULT_SITE_IDENTIFIER")

    assert invalid_parameters(cold_start("get_smart_token")(valid_smart_token_request())) == ["site_identifier"]
    assert paynearme.sent == []


def test_smart_token_unknown_site_is_named_and_not_sent(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    assert invalid_parameters(get_smart_token(valid_smart_token_request(site_identifier=MARKER))) == ["site_identifier"]
    assert paynearme.sent == []


ORDER_IDENTIFIERS = [
    "pnm_customer_identifier",
    "pnm_order_identifier",
    "site_creator_identifier",
    "site_customer_identifier",
    "site_order_identifier",
]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"unknown_marker": MARKER}, ["unknown_marker"]),
        ({"pnm_order_identifier": None}, ORDER_IDENTIFIERS),
        ({"site_order_identifier": MARKER}, ORDER_IDENTIFIERS),
        ({"payment_field_fixed": "true"}, ["payment_amount"]),
        ({"payment_amount": MARKER, "flow_debit": MARKER}, ["flow_debit", "payment_amount"]),
        ({"payment_amount": "0"}, ["payment_amount"]),
        ({"flow_pay_url": f"javascript:/{MARKER}"}, ["flow_pay_url"]),
        ({"link_lifetime_seconds": "-1"}, ["link_lifetime_seconds"]),
    ],
)
def test_smart_token_invalid_parameters_are_named_and_not_sent(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, changes: dict[str, Any], names: list[str]
) -> None:
    assert invalid_parameters(get_smart_token(valid_smart_token_request(**changes))) == names
    assert paynearme.sent == []


@pytest.mark.parametrize("missing_name", ["ext_customer_tax_id_pii", "ext_customer_date_of_birth_pii"])
def test_smart_token_guaranteed_ach_requires_all_parameters(get_smart_token: LambdaFunction, missing_name: str) -> None:
    assert invalid_parameters(get_smart_token(valid_guaranteed_ach_request(**{missing_name: None}))) == [missing_name]


@pytest.mark.parametrize(
    "event",
    [
        body_event(None),
        body_event(f'{{"a": "{MARKER}'),
        body_event(f"pnm_order_identifier={MARKER}"),
        body_event(f'["{MARKER}"]'),
        bytes_event(b'{"a": "\xff"}'),
    ],
    ids=["empty", "truncated JSON", "form", "list", "invalid UTF-8"],
)
def test_smart_token_malformed_request_returns_400(get_smart_token: LambdaFunction, event: dict[str, Any]) -> None:
    assert problem(get_smart_token.handle(event), 400)["type"].endswith("malformed-request")


def test_smart_token_nested_parameter_is_named(get_smart_token: LambdaFunction) -> None:
    response = get_smart_token.handle(json_event({"pnm_order_identifier": [MARKER]}))

    assert invalid_parameters(response) == ["pnm_order_identifier"]
    assert MARKER not in response.body


def test_smart_token_too_large_request_returns_413(get_smart_token: LambdaFunction) -> None:
    problem(get_smart_token(valid_smart_token_request(flow_pay_url=MARKER * MAX_BYTES)), 413)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_smart_token_rejection_returns_422_with_code_and_errors(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, status: int
) -> None:
    errors = [{"description": "Order is unknown"}, "Try another", 17, {"field": "x"}]
    content = {"status": "error", "response_code": "1100", "errors": errors}
    paynearme.default_reply = paynearme.replying(status, content)

    response = problem(get_smart_token(valid_smart_token_request()), 422)

    assert response["response_code"] == "1100"
    assert [e["description"] for e in response["errors"]] == ["Order is unknown", "Try another", "17"]


UNREACHABLE = MaxRetryError(cast(Any, None), "/", NewConnectionError(cast(Any, None), MARKER))
READ_TIMEOUT = MaxRetryError(
    cast(Any, None), "/", ReadTimeoutError(HTTPSConnectionPool("paynearme.invalid"), "/", MARKER)
)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((500, b"<html>" + MARKER.encode()), "paynearme-error"),
        ((503, {"status": "error", "errors": [MARKER]}), "paynearme-error"),
        ((429, {"status": "error", "errors": [MARKER]}), "paynearme-error"),
        ((200, b"<html>" + MARKER.encode()), "paynearme-error"),
        ((200, [MARKER]), "paynearme-error"),
        ((200, {"status": MARKER}), "paynearme-error"),
        ((200, {"status": "ok", "orders": []}), "paynearme-error"),
        ((200, {"status": "ok", "orders": [{"secure_smart_token": MARKER}]}), "paynearme-error"),
        ((302, {"status": "ok", "orders": SAMPLE_REPLY["orders"]}), "paynearme-error"),
        ((401, {"status": "error", "errors": [MARKER]}), "credentials-rejected"),
        ((403, b"<html>" + MARKER.encode()), "credentials-rejected"),
        pytest.param(UNREACHABLE, "paynearme-error"),
        (SSLError(MARKER), "paynearme-error"),
    ],
)
def test_smart_token_upstream_error_returns_502(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, response: Any, kind: str
) -> None:
    paynearme.default_reply = response if isinstance(response, Exception) else paynearme.replying(*response)

    assert problem(get_smart_token(valid_smart_token_request()), 502)["type"].endswith(kind)


def test_smart_token_upstream_timeout_returns_504(get_smart_token: LambdaFunction, paynearme: PayNearMeStub) -> None:
    paynearme.default_reply = READ_TIMEOUT

    assert problem(get_smart_token(valid_smart_token_request()), 504)["type"].endswith("paynearme-timeout")


def test_smart_token_deadline_passed_returns_504_without_call(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert get_smart_token(valid_smart_token_request()).status == 200
    monkeypatch.setattr(Deadline, "after", lambda _: Deadline(clock.now, clock, clock.sleep))

    problem(get_smart_token(valid_smart_token_request()), 504)
    assert len(paynearme.sent) == 1


def test_smart_token_without_site_keys_returns_503(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, sites_secret: SitesSecret
) -> None:
    sites_secret.delete()

    problem(get_smart_token(valid_smart_token_request()), 503)
    assert paynearme.sent == []


def test_smart_token_internal_error_returns_500_without_details(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    paynearme.default_reply = RuntimeError(MARKER)

    assert set(problem(get_smart_token(valid_smart_token_request()), 500)) == {"type", "title", "status"}


@pytest.mark.parametrize("event", [{}, None, [MARKER], {"body": {"a": MARKER}}])
def test_smart_token_malformed_event_returns_error_response(get_smart_token: LambdaFunction, event: Any) -> None:
    assert get_smart_token.handle(event).status in (400, 500)
