"""Reversal callbacks from the API Gateway event to the message, without AWS."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

import pytest

from paynearme.errors import StaleTimestampError
from paynearme.handlers.authentication import Callback, receive_callback
from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.reversals import Reversal, ReversalKind
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import Transport, signed
from tests.support.message_fixtures import SECRET, resolved_site

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TRANSPORTS: tuple[Transport, ...] = get_args(Transport.__value__)


class SingleSiteStub:
    """Replace the sites of a deployment with one site."""

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        assert identifier == resolved_site().identifier
        return resolved_site()

    def refresh(self, deadline: Deadline) -> bool:
        return False


def event(
    transport: Transport = "json", age: timedelta = timedelta(), name: str = "chargeback", **unsigned: str
) -> dict[str, Any]:
    message = signed(load("reversal")[name], SECRET, timestamp=int((NOW - age).timestamp()))
    return api_gateway_event(message | unsigned, transport, "/callbacks/reverse")


def receive[M: (Authorization, Reversal)](event: dict[str, Any], model: type[M]) -> Callback[M]:
    sites = cast(SiteProvider, SingleSiteStub())
    return receive_callback(event, model, Settings(sites_secret="s"), sites, NOW, Deadline.after(5))


@pytest.mark.parametrize("name", load("reversal"))
def test_reversal_same_fingerprint_in_each_transport(name: str) -> None:
    messages = [receive(event(transport, name=name), Reversal).message for transport in TRANSPORTS]
    # Unsigned parameters do not count.
    messages.append(receive(event(name=name, format="json", call="reverse"), Reversal).message)

    assert len({message.fingerprint for message in messages}) == 1
    assert {message.pnm_payment_identifier for message in messages} == {
        load("reversal")[name]["pnm_payment_identifier"]
    }
    assert {message.kind is ReversalKind.CHARGEBACK for message in messages} == {name == "chargeback"}


@pytest.mark.parametrize("age", [timedelta(days=400), timedelta(hours=-9)])
def test_reversal_any_timestamp_not_stale(age: timedelta) -> None:
    assert receive(event(age=age), Reversal).message.pnm_order_identifier == "85378713665"
    with pytest.raises(StaleTimestampError):
        receive(event(age=age), Authorization)
