"""Keys that rotate on the deployed stack, and how often signatures can make a process look at the secret."""

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import confirmation_of, reversal_of
from local.events import Parameters, load, signed, with_fresh_payment
from local.processes import functions_running
from local.stack import Stack
from tests.e2e.many_processes import publish

SITE = "S1733026124"
CALLBACKS = 200
"""For each key."""


@pytest.fixture
def put_sites(stack: Stack) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Write the secret as an operator does; afterwards, as it was."""

    def put(sites: dict[str, Any]) -> None:
        text = json.dumps({"sites": sites})
        stack.client("secretsmanager").put_secret_value(SecretId=stack.secret_arn, SecretString=text)

    yield put
    put(stack.sites)
    # Twice: now the previous version is like the current one.
    put(stack.sites)


def callbacks(secret: str) -> Iterator[tuple[Kind, Parameters]]:
    """Yield authorizations and confirmations that are signed with a key."""
    template = load("authorization")["credit"]
    for number in range(CALLBACKS):
        message = {**with_fresh_payment(template), "site_identifier": SITE}
        message["site_customer_identifier"] = f"rotates-{number}"
        kind: Kind = "confirm" if number % 2 else "authorize"
        yield kind, signed(confirmation_of(message) if number % 2 else message, secret)


def test_no_callback_is_refused_while_the_key_rotates(
    crowd: ThreadPoolExecutor,
    stack: Stack,
    sender: CallbackSender,
    put_sites: Callable[[dict[str, Any]], None],
) -> None:
    old, new = stack.sites[SITE]["secret"], secrets.token_hex(16)

    def deliver(callback: tuple[Kind, Parameters]) -> Delivery:
        kind, message = callback
        return sender.deliver(kind, message, "json")

    with_old, with_new = list(callbacks(old)), list(callbacks(new))
    half = CALLBACKS // 2
    # In flight when the secret changes.
    before = [crowd.submit(deliver, callback) for callback in with_old[:half]]
    put_sites({**stack.sites, SITE: {**stack.sites[SITE], "secret": new}})
    mixed = list(chain.from_iterable(zip(with_old[half:], with_new[:half], strict=True)))
    after = [crowd.submit(deliver, callback) for callback in (*mixed, *with_new[half:])]

    deliveries = [each.result() for each in (*before, *after)]

    assert len(deliveries) == 2 * CALLBACKS
    assert [delivery.reason for delivery in deliveries if not delivery.accepted] == []


def forgeries(confirmation: Parameters, number: int) -> list[Parameters]:
    return [signed(confirmation, f"guess-{guess}") for guess in range(number)]


def looks(faults: Control) -> int:
    """Return how often the secret was read since the counts were last forgotten."""
    found: int = faults.get("counts").get("secretsmanager.GetSecretValue", 0)
    return found


def test_however_many_bad_signatures_come_at_once_no_process_looks_at_the_secret_twice(
    crowd: ThreadPoolExecutor,
    before_the_crowd: set[psutil.Process],
    folder: Path,
    sender: CallbackSender,
    faults: Control,
    authorization: Parameters,
) -> None:
    running = functions_running(folder / "processes.json", "ConfirmFunction")
    processes = len(running - before_the_crowd)
    forged = forgeries(confirmation_of(authorization), 5 * processes)

    statuses = set(crowd.map(lambda message: sender.deliver("confirm", message, "json").status, forged))

    assert statuses == {401}
    # The current version and the previous one, in half a minute.
    assert looks(faults) <= 2 * processes


def test_a_process_looks_at_the_secret_for_the_first_bad_signature_and_not_for_the_next_ones(
    stack: Stack, sender: CallbackSender, faults: Control, authorization: Parameters
) -> None:
    reversal = reversal_of(confirmation_of(authorization))
    first, *others = forgeries(reversal, 5)
    # One that the crowd has no part in.
    publish(stack, "Reverse")
    assert sender.deliver("reverse", reversal, "json").status != 401
    faults.delete("counts")

    assert sender.deliver("reverse", first, "json").status == 401
    assert looks(faults) > 0
    faults.delete("counts")
    assert {sender.deliver("reverse", message, "json").status for message in others} == {401}
    assert looks(faults) == 0
