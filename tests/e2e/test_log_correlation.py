"""The order identifier finds all log lines of a payment, from the Smart Token to the reversal."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, with_new_identifier
from sandbox.stack.logs import groups_of, messages_in
from sandbox.stack.stack import Stack

ASYNC_FUNCTIONS = ("publish_events",)
"""The functions that log a payment after the response."""


def log_lines(stack: Stack, identifier: str) -> Iterator[dict[str, Any]]:
    """Yield the log lines of all functions that contain a quoted identifier, like the saved query."""
    logs = stack.client("logs")
    for group in groups_of(logs):
        if "ApiLogs" in group:
            continue
        for message in messages_in(logs, group):
            if f'"{identifier}"' in message:
                yield json.loads(message)


def operations_by_order(stack: Stack, order: str) -> Counter[str]:
    """Wait for the log lines of ``ASYNC_FUNCTIONS``. Return the number of log lines by operation."""
    until_published = Retrying(
        retry=retry_if_result(lambda lines: not set(ASYNC_FUNCTIONS) <= lines.keys()),
        stop=stop_after_delay(120),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    lines: Counter[str] = until_published(lambda: Counter(line["operation"] for line in log_lines(stack, order)))
    return lines


def test_log_lines_of_consumer_payment_found_by_order(
    stack: Stack, backend: BackendClient, sender: CallbackSender
) -> None:
    authorization = with_new_identifier(load("authorization")["ach"])
    # Other tests use the order of the samples.
    order = authorization["pnm_payment_identifier"][::-1]
    authorization |= {"pnm_order_identifier": order}
    confirmation = build_confirmation(authorization)
    site, payment = authorization["site_identifier"], authorization["pnm_payment_identifier"]

    assert backend.post("/smart-tokens", {"site_identifier": site, "pnm_order_identifier": order}).status == 200
    assert sender.deliver("authorize", authorization, "json").accepted
    assert sender.deliver("confirm", confirmation, "json").accepted
    assert sender.deliver("confirm", confirmation, "form").accepted
    assert sender.deliver("confirm", {**confirmation, "test": "maybe"}, "query").status == 400
    assert sender.deliver("reverse", build_reversal(confirmation), "json").accepted
    assert backend.get(f"/payments/{site}/{payment}").status == 200

    lines = operations_by_order(stack, order)
    async_counts = {operation: lines.pop(operation) for operation in ASYNC_FUNCTIONS}
    assert lines == {"get_smart_token": 1, "authorize": 1, "confirm": 3, "reverse": 1, "payments": 1}
    # One line for each of the authorization, the confirmation and the reversal.
    assert async_counts["publish_events"] >= 3
