import json
import socket
from typing import get_args

import pytest

from paynearme.platform.http_request import from_body
from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import Transport
from sandbox.stack.sites import VERSION_2_SITE
from tests.support.merchant_stub import ACKNOWLEDGEMENT, CASH, SITES, MerchantStub, run_with_sender

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

SAVED_METHOD_MESSAGE = sample_messages.load("authorization")["guaranteed_ach_saved"]


@pytest.mark.parametrize(
    ("transport", "method", "content_type"),
    [
        ("query", "GET", None),
        ("form", "POST", "application/x-www-form-urlencoded"),
        ("json", "POST", "application/json"),
    ],
)
@pytest.mark.parametrize("kind", get_args(Kind.__value__))
def test_callback_signed_with_site_key_in_each_transport(
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


def test_callback_signed_for_version_of_site() -> None:
    merchant = MerchantStub((200, ""))

    run_with_sender(merchant, lambda s: s.deliver("confirm", {**CASH, "site_identifier": VERSION_2_SITE}, "form"))

    received = from_body({"body": merchant.received[0][-1]})
    assert received["version"] == "2.0"
    verify(received, received["signature"], [SITES[VERSION_2_SITE]["secret"]], "2.0")


def test_callback_with_signature_sent_unchanged() -> None:
    forged_message = messages.signed(CASH, "another-secret", timestamp=1)
    merchant = MerchantStub((401, "{}"))

    delivery = run_with_sender(merchant, lambda sender: sender.deliver("confirm", forged_message, "json"))

    assert json.loads(merchant.received[0][-1]) == forged_message
    assert (delivery.status, delivery.accepted, delivery.reason) == (401, False, "status 401")


def test_callback_without_response_times_out() -> None:
    # The server accepts no connection.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        sender = CallbackSender(f"http://{host}:{port}", SITES, timeout=0.1)
        delivery = sender.deliver("confirm", CASH, "json")

    assert (delivery.status, delivery.reason, delivery.fields) == (None, "timeout", None)


def test_callback_retried_unchanged_until_acknowledged() -> None:
    merchant = MerchantStub((503, "{}"), (200, "{}"), (200, ACKNOWLEDGEMENT))

    deliveries = run_with_sender(
        merchant, lambda s: s.deliver_until_acknowledged("confirm", CASH, "form", retry_interval=0)
    )

    assert [delivery.accepted for delivery in deliveries] == [False, False, True]
    assert len(merchant.received) == 3
    assert len({text for *_, text in merchant.received}) == 1


def test_callback_retried_each_minute_until_40_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)

    merchant = MerchantStub((503, ""))
    deliveries = run_with_sender(merchant, lambda s: s.deliver_until_acknowledged("confirm", CASH, "json"))

    assert len(deliveries) == len(merchant.received) == 40
    assert waits == [60] * 39
