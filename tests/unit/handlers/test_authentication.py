"""Authenticate callbacks from the API Gateway event to the signed parameters, without AWS."""

from typing import Any, cast, get_args

import pytest

from paynearme.errors import SignatureError
from paynearme.handlers.authentication import AuthenticCallback, authenticate_callback
from paynearme.platform.deadline import Deadline
from paynearme.protocol.callbacks import fingerprint, read_callback
from paynearme.protocol.reversals import Reversal, ReversalKind
from paynearme.protocol.signing import sign
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import Transport, signed
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import SECRET, resolved_site, valid_reversal

TRANSPORTS: tuple[Transport, ...] = get_args(Transport.__value__)


class SingleSiteStub:
    """Replace the sites of a deployment with one site."""

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        assert identifier == resolved_site().identifier
        return resolved_site()

    def refresh(self, deadline: Deadline) -> bool:
        return False


def authenticate(event: dict[str, Any]) -> AuthenticCallback:
    return authenticate_callback(event, cast(SiteProvider, SingleSiteStub()), Deadline.after(5))


@pytest.mark.parametrize("name", load("reversal"))
def test_reversal_same_fingerprint_in_each_transport(name: str) -> None:
    message = signed(load("reversal")[name], SECRET)
    events = [api_gateway_event(message, transport) for transport in TRANSPORTS]
    # Unsigned parameters do not count.
    events.append(json_event(message | {"format": "json", "call": "reverse"}))
    messages = [read_callback(Reversal, authenticate(event).parameters) for event in events]

    assert len({message.fingerprint for message in messages}) == 1
    assert {message.pnm_payment_identifier for message in messages} == {
        load("reversal")[name]["pnm_payment_identifier"]
    }
    assert {message.kind is ReversalKind.CHARGEBACK for message in messages} == {name == "chargeback"}


NULLS = {"payment_arn": None, "reverse_reason": None, "user_device": None}


@pytest.mark.parametrize(
    ("signed_names", "parameters"),
    [([], valid_reversal()), (sorted(NULLS), valid_reversal() | dict.fromkeys(NULLS, ""))],
    ids=["left out", "bare names"],
)
def test_json_nulls_in_both_signed_forms_authentic(signed_names: list[str], parameters: dict[str, str]) -> None:
    signature = sign(valid_reversal() | dict.fromkeys(signed_names, ""), SECRET)

    callback = authenticate(json_event(valid_reversal() | NULLS | {"signature": signature}))

    assert callback.parameters == parameters
    assert fingerprint(callback.parameters) == fingerprint(valid_reversal())


def test_json_nulls_partly_signed_not_authentic() -> None:
    signature = sign(valid_reversal() | {"payment_arn": ""}, SECRET)

    with pytest.raises(SignatureError):
        authenticate(json_event(valid_reversal() | NULLS | {"signature": signature}))


@pytest.mark.parametrize("version", ["3", "3.0", "3.1"])
def test_each_version_3_authentic_and_returned(version: str) -> None:
    message = valid_reversal(version=version)

    assert authenticate(json_event(message | {"signature": sign(message, SECRET)})).version == version
