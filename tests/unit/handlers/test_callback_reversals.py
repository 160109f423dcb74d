"""Reversal callbacks from the API Gateway event to the response, without AWS."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from paynearme.errors import SignatureError, StaleTimestampError, ValidationFailedError
from paynearme.handlers.authentication import Callback, receive_callback
from paynearme.handlers.callback import callback_handler
from paynearme.platform import observability
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_response import HttpResponse
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.reversals import Reversal, ReversalKind, ReversalResponse
from paynearme.sites.site import ResolvedSite
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import Transport, signed
from tests.support.message_fixtures import SECRET, resolved_site

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SETTINGS = Settings(sites_secret="s")


class SingleSiteStub:
    """Replace the sites of a deployment with one site."""

    def __init__(self, **changes: str) -> None:
        self._site = resolved_site().model_copy(update=changes)

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        assert identifier == self._site.identifier
        return self._site

    def refresh(self, deadline: Deadline) -> bool:
        return False


SITES: Any = SingleSiteStub()


@pytest.fixture(autouse=True)
def _reset_observability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observability, "_log_fields", {})


def event(
    transport: Transport = "json", age: timedelta = timedelta(), name: str = "chargeback", **changes: str
) -> dict[str, Any]:
    message = signed(load("reversal")[name], SECRET, timestamp=int((NOW - age).timestamp()))
    return api_gateway_event(message | changes, transport, "/callbacks/reverse")


def receive_event(event: dict[str, Any]) -> Callback[Reversal]:
    return receive_callback(event, Reversal, SETTINGS, SITES, NOW, Deadline.after(5))


@pytest.mark.parametrize("transport", get_args(Transport.__value__))
def test_reversal_received_in_each_transport(transport: Transport) -> None:
    callback = receive_event(event(transport))

    assert callback.message.pnm_payment_identifier == "424201514462"
    assert callback.message.kind is ReversalKind.CHARGEBACK


@pytest.mark.parametrize("name", load("reversal"))
def test_reversal_fingerprint_same_in_each_transport(name: str) -> None:
    transports = get_args(Transport.__value__)
    fingerprints = {receive_event(event(transport, name=name)).message.fingerprint for transport in transports}

    assert len(fingerprints) == 1


def test_reversal_fingerprint_ignores_unsigned_parameters() -> None:
    assert receive_event(event(format="json", call="reverse")).message.fingerprint == (
        receive_event(event()).message.fingerprint
    )


@pytest.mark.parametrize("age", [timedelta(hours=9), timedelta(days=400), timedelta(hours=-9)])
def test_reversal_any_timestamp_not_stale(age: timedelta) -> None:
    assert receive_event(event(age=age)).message.pnm_order_identifier == "85378713665"
    with pytest.raises(StaleTimestampError):
        receive_callback(event(age=age), Authorization, SETTINGS, SITES, NOW, Deadline.after(5))


def test_reversal_changed_after_signing_not_authentic() -> None:
    with pytest.raises(SignatureError):
        receive_event(event(reverse_amount="0.01"))


def test_reversal_authentic_but_invalid_rejected() -> None:
    message = signed(load("reversal")["cancellation"], SECRET, payment_amount=None)

    with pytest.raises(ValidationFailedError):
        receive_event(api_gateway_event(message, "json"))


def respond(event: Mapping[str, Any], sites: Any) -> HttpResponse:
    @callback_handler("reverse", Reversal, SETTINGS, sites, clock=lambda: NOW)
    def handler(callback: Callback[Reversal]) -> ReversalResponse:
        return ReversalResponse(
            envelope=callback.site.reverse_envelope,
            element=callback.site.reverse_element,
            pnm_order_identifier=callback.message.pnm_order_identifier,
        )

    return handler(dict(event), None)


def test_reversal_response_in_site_envelope() -> None:
    fields = {"pnm_order_identifier": "85378713665"}
    customized = SingleSiteStub(reverse_envelope="custom_response", reverse_element="custom_element")

    default_response, customized_response = (respond(event(), sites) for sites in (SingleSiteStub(), customized))

    assert json.loads(default_response["body"]) == {"payment_reversal_response": {"version": "3.0", "reversal": fields}}
    assert json.loads(customized_response["body"]) == {"custom_response": {"version": "3.0", "custom_element": fields}}


def test_reversal_rejected_with_status_of_its_error() -> None:
    invalid = signed(load("reversal")["cancellation"], SECRET, payment_amount=None)
    invalid_requests = [
        (event(reverse_amount="0.01"), 401),
        (event() | {"body": "{"}, 400),
        (event() | {"body": "{" + " " * 70_000}, 413),
        (api_gateway_event(invalid, "json"), 400),
    ]

    responses = [respond(request, SingleSiteStub()) for request, _ in invalid_requests]

    assert [response["statusCode"] for response in responses] == [status for _, status in invalid_requests]
    assert json.loads(responses[-1]["body"])["parameters"] == ["payment_amount", "reverse_amount"]
