import asyncio
import json
import socket
from typing import get_args

import pytest

from paynearme.platform.http_request import from_body
from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import Transport
from sandbox.stack.sites import VERSION_2_SITE
from tests.support.http_server_fixture import serve
from tests.support.merchant_stub import ACKNOWLEDGEMENT, CASH, SITES, MerchantStub, run_with_sender, validated

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

SAVED_METHOD_MESSAGE = sample_messages.load("authorization")["guaranteed_ach_saved"]
TRANSPORTS = get_args(Transport.__value__)


@pytest.mark.parametrize(
    ("transport", "method", "content_type"),
    [
        ("query", "GET", None),
        ("form", "POST", "application/x-www-form-urlencoded"),
        ("json", "POST", "application/json"),
    ],
)
@pytest.mark.parametrize("kind", get_args(Kind.__value__))
def test_a_message_arrives_signed_by_its_site_in_each_transport(
    transport: Transport, method: str, content_type: str | None, kind: Kind
) -> None:
    merchant = MerchantStub((200, ACKNOWLEDGEMENT))

    run_with_sender(merchant, lambda sender: sender.deliver(kind, SAVED_METHOD_MESSAGE, transport))

    [(*transport_fields, text)] = merchant.received
    assert transport_fields == [method, f"/callbacks/{kind}", content_type]
    received = from_body({"body": text})
    assert received.items() >= (
        messages.stringify_parameters(SAVED_METHOD_MESSAGE).items() - {("timestamp", SAVED_METHOD_MESSAGE["timestamp"])}
    )
    assert received["timestamp"] > SAVED_METHOD_MESSAGE["timestamp"]
    verify(received, received["signature"], [SITES["S6404173951"]["secret"]])


def test_a_boolean_stays_one_in_json() -> None:
    merchant = MerchantStub((200, ACKNOWLEDGEMENT))

    run_with_sender(merchant, lambda sender: sender.deliver("authorize", SAVED_METHOD_MESSAGE, "json"))

    assert json.loads(merchant.received[0][-1])["test"] is True


def test_a_message_is_signed_for_the_version_of_its_site() -> None:
    merchant = MerchantStub((200, ""))

    run_with_sender(merchant, lambda s: s.deliver("confirm", {**CASH, "site_identifier": VERSION_2_SITE}, "form"))

    received = from_body({"body": merchant.received[0][-1]})
    assert received["version"] == "2.0"
    verify(received, received["signature"], [SITES[VERSION_2_SITE]["secret"]], "2.0")


def test_a_message_that_carries_a_signature_is_sent_as_it_is() -> None:
    forged_message = messages.signed(CASH, "another-secret", timestamp=1)
    merchant = MerchantStub((401, "{}"))

    delivery = run_with_sender(merchant, lambda sender: sender.deliver("confirm", forged_message, "json"))

    assert json.loads(merchant.received[0][-1]) == forged_message
    assert (delivery.status, delivery.accepted, delivery.reason) == (401, False, "status 401")


def test_a_message_of_an_unknown_site_must_carry_its_signature() -> None:
    with pytest.raises(KeyError):
        CallbackSender("http://127.0.0.1:1", SITES).deliver("confirm", {"site_identifier": "S0"}, "json")


def test_no_answer_within_the_time_is_a_delivery_that_was_too_slow() -> None:
    # The server accepts no connection.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        sender = CallbackSender(f"http://{host}:{port}", SITES, timeout=0.1)
        delivery = sender.deliver("confirm", CASH, "json")

    assert (delivery.status, delivery.reason, delivery.fields) == (None, "timeout", None)


def test_an_answer_that_came_too_late_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_values = iter([100.0, 110.1])
    monkeypatch.setattr("sandbox.fake_paynearme.callback_sender.time.perf_counter", lambda: next(clock_values, 110.1))

    delivery = validated(ACKNOWLEDGEMENT)

    assert (delivery.status, delivery.reason) == (200, "timeout")
    assert delivery.seconds == pytest.approx(10.1)


def test_a_connection_that_cannot_be_made_is_a_delivery_without_answer() -> None:
    async def closed_port_url() -> str:
        async with serve(MerchantStub((200, "")).runner()) as url:
            return url

    delivery = CallbackSender(asyncio.run(closed_port_url()), SITES).deliver("confirm", CASH, "query")

    assert (delivery.status, delivery.reason, delivery.accepted) == (None, "no response", False)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_unacknowledged_message_is_repeated_as_it_was_until_it_is_acknowledged(transport: Transport) -> None:
    merchant = MerchantStub((503, "{}"), (200, "{}"), (200, ACKNOWLEDGEMENT))

    deliveries = run_with_sender(
        merchant, lambda s: s.deliver_until_acknowledged("confirm", CASH, transport, retry_interval=0)
    )

    assert [delivery.accepted for delivery in deliveries] == [False, False, True]
    assert len(merchant.received) == 3
    assert len({text for *_, text in merchant.received}) == 1


@pytest.mark.parametrize(("attempts", "options"), [(40, {}), (3, {"attempts": 3})])
def test_repeating_ends_after_so_many_attempts(attempts: int, options: dict[str, int]) -> None:
    merchant = MerchantStub((503, ""))

    deliveries = run_with_sender(
        merchant, lambda s: s.deliver_until_acknowledged("confirm", CASH, "json", retry_interval=0, **options)
    )

    assert len(deliveries) == len(merchant.received) == attempts
    assert not deliveries[-1].accepted


def test_repeats_are_a_minute_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)

    run_with_sender(
        MerchantStub((503, ""), (503, ""), (200, ACKNOWLEDGEMENT)),
        lambda s: s.deliver_until_acknowledged("confirm", CASH, "json"),
    )

    assert waits == [60, 60]


def test_threads_may_share_a_sender() -> None:
    merchant = MerchantStub((200, ACKNOWLEDGEMENT))

    async def scenario() -> list[Delivery]:
        async with serve(merchant.runner()) as url:
            sender = CallbackSender(url, SITES)
            calls = (asyncio.to_thread(sender.deliver, "confirm", CASH, "json") for _ in range(64))
            return await asyncio.gather(*calls)

    assert all(delivery.accepted for delivery in asyncio.run(scenario()))
    assert len(merchant.received) == 64
