"""A reversal on its way through the door: API Gateway's event, the site's key and settings, no AWS."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from local.events import Transport, gateway_event, load, signed
from paynearme import gateway, telemetry
from paynearme.answers import HttpAnswer
from paynearme.deadline import Deadline
from paynearme.errors import StaleTimestampError, ValidationFailedError, SignatureError
from paynearme.messages import Authorization, Reversal, ReversalResponse, ReversalKind
from paynearme.settings import KnownSite, Settings
from tests.messages import SECRET, known_site

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SETTINGS = Settings(sites_secret="s")


class OneSite:
    """The sites of a deployment that has one."""

    def __init__(self, **changes: str) -> None:
        self._site = known_site().model_copy(update=changes)

    def find(self, identifier: str | None, deadline: Deadline) -> KnownSite:
        assert identifier == self._site.identifier
        return self._site

    def refresh(self, deadline: Deadline) -> bool:
        return False


SITES: Any = OneSite()


@pytest.fixture(autouse=True)
def _no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_notes", {})


def event(
    transport: Transport = "json", age: timedelta = timedelta(), name: str = "chargeback", **changes: str
) -> dict[str, Any]:
    sent = signed(load("reversal")[name], SECRET, timestamp=int((NOW - age).timestamp()))
    return gateway_event(sent | changes, transport, "/callbacks/reverse")


def received(event: dict[str, Any]) -> gateway.Callback[Reversal]:
    return gateway.receive(event, Reversal, SETTINGS, SITES, NOW, Deadline.after(5))


@pytest.mark.parametrize("transport", get_args(Transport.__value__))
def test_a_reversal_is_received_in_each_transport(transport: Transport) -> None:
    callback = received(event(transport))

    assert callback.message.pnm_payment_identifier == "424201514462"
    assert callback.message.kind is ReversalKind.CHARGEBACK


@pytest.mark.parametrize("name", load("reversal"))
def test_a_reversal_has_the_same_fingerprint_in_each_transport(name: str) -> None:
    transports = get_args(Transport.__value__)
    fingerprints = {received(event(transport, name=name)).message.fingerprint for transport in transports}

    assert len(fingerprints) == 1


def test_what_is_not_signed_is_not_in_a_reversals_fingerprint() -> None:
    assert received(event(format="json", call="reverse")).message.fingerprint == (
        received(event()).message.fingerprint
    )


@pytest.mark.parametrize("age", [timedelta(hours=9), timedelta(days=400), timedelta(hours=-9)])
def test_a_reversal_is_never_refused_for_its_age(age: timedelta) -> None:
    assert received(event(age=age)).message.pnm_order_identifier == "85378713665"
    with pytest.raises(StaleTimestampError):
        gateway.receive(event(age=age), Authorization, SETTINGS, SITES, NOW, Deadline.after(5))


def test_a_reversal_that_nobody_signed_is_not_authentic() -> None:
    with pytest.raises(SignatureError):
        received(event(reverse_amount="0.01"))


def test_a_reversal_that_is_authentic_can_still_be_invalid() -> None:
    message = signed(load("reversal")["cancellation"], SECRET, payment_amount=None)

    with pytest.raises(ValidationFailedError):
        received(gateway_event(message, "json"))


def answered(event: Mapping[str, Any], sites: Any) -> HttpAnswer:
    @gateway.callback("reverse", Reversal, SETTINGS, sites, clock=lambda: NOW)
    def handler(callback: gateway.Callback[Reversal]) -> ReversalResponse:
        return ReversalResponse(
            envelope=callback.site.reverse_envelope,
            part=callback.site.reverse_element,
            pnm_order_identifier=callback.message.pnm_order_identifier,
        )

    return handler(dict(event), None)


def test_a_reversal_is_answered_in_its_sites_envelope() -> None:
    fields = {"pnm_order_identifier": "85378713665"}
    own = OneSite(reverse_envelope="their_response", reverse_element="their_part")

    usual, set_by_site = (answered(event(), sites) for sites in (OneSite(), own))

    assert json.loads(usual["body"]) == {"payment_reversal_response": {"version": "3.0", "reversal": fields}}
    assert json.loads(set_by_site["body"]) == {"their_response": {"version": "3.0", "their_part": fields}}


def test_bad_reversals_are_answered_as_other_bad_callbacks_are() -> None:
    invalid = signed(load("reversal")["cancellation"], SECRET, payment_amount=None)
    bad = [
        (event(reverse_amount="0.01"), 401),
        (event() | {"body": "{"}, 400),
        (event() | {"body": "{" + " " * 70_000}, 413),
        (gateway_event(invalid, "json"), 400),
    ]

    answers = [answered(request, OneSite()) for request, _ in bad]

    assert [answer["statusCode"] for answer in answers] == [status for _, status in bad]
    assert json.loads(answers[-1]["body"])["parameters"] == ["payment_amount", "reverse_amount"]
