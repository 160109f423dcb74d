"""Key rotation on the deployed stack: no authentic callback is rejected."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest

from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, signed, with_new_identifier
from sandbox.stack.stack import Stack

pytestmark = pytest.mark.full

SITE = "S1733026124"
CALLBACKS = 200  # for each key


@pytest.fixture
def put_sites(stack: Stack) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that writes the secret like an operator. Restore the secret after."""

    def put(sites: dict[str, Any]) -> None:
        text = json.dumps({"sites": sites})
        stack.client("secretsmanager").put_secret_value(SecretId=stack.secret_arn, SecretString=text)

    yield put
    put(stack.sites)
    # After the second write, the previous version equals the current version.
    put(stack.sites)


def callbacks(secret: str) -> Iterator[tuple[Kind, Parameters]]:
    """Yield authorizations and confirmations with signatures of ``secret``."""
    template = load("authorization")["credit"]
    for index in range(CALLBACKS):
        message = {**with_new_identifier(template), "site_identifier": SITE}
        message["site_customer_identifier"] = f"rotation-{index}"
        kind: Kind = "confirm" if index % 2 else "authorize"
        yield kind, signed(build_confirmation(message) if kind == "confirm" else message, secret)


def test_key_rotation_rejects_no_callback(
    concurrent_workers: ThreadPoolExecutor,
    stack: Stack,
    sender: CallbackSender,
    put_sites: Callable[[dict[str, Any]], None],
) -> None:
    old_secret, new_secret = stack.sites[SITE]["secret"], secrets.token_hex(16)

    def submit(callbacks: Iterable[tuple[Kind, Parameters]]) -> list[Future[Delivery]]:
        return [concurrent_workers.submit(sender.deliver, kind, message, "json") for kind, message in callbacks]

    old_callbacks, new_callbacks = list(callbacks(old_secret)), list(callbacks(new_secret))
    half = CALLBACKS // 2
    # These callbacks are in progress when the secret changes.
    submitted_before = submit(old_callbacks[:half])
    put_sites({**stack.sites, SITE: {**stack.sites[SITE], "secret": new_secret}})
    mixed_callbacks = chain.from_iterable(zip(old_callbacks[half:], new_callbacks[:half], strict=True))
    submitted_after = submit([*mixed_callbacks, *new_callbacks[half:]])

    deliveries = [future.result() for future in (*submitted_before, *submitted_after)]

    assert [delivery.reason for delivery in deliveries if not delivery.accepted] == []
