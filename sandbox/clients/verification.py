"""Verify that each function of a running stack with a route returns a response of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from urllib3.exceptions import HTTPError

from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import new_backend
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, with_new_identifier
from sandbox.stack.lifecycle import Progress
from sandbox.stack.processes import kill_functions
from sandbox.stack.stack import Stack

# These requests change nothing: the items do not exist, and the bodies are incomplete.
_BACKEND_CALLS = (
    *(("GET", f"/{items}/S2155373459/not-found") for items in ("orders", "customers", "payments")),
    *(("POST", path) for path in ("/orders", "/payments", "/payment-methods/find", "/smart-tokens")),
)
_PROBLEM_TYPES = "urn:problem-type:paynearme:"
_MAX_BODY = 500
# A busy machine needs this time to start a process.
_TIMEOUT_SECONDS = 60
_CONCURRENCY = 2


def verify(stack: Stack, folder: Path, progress: Progress) -> None:
    """Call each function of ``stack`` with a route, so that each has a process. Start new processes after an error.

    ``folder`` is the folder of ``stack``. The callbacks are those of a test payment. Raises ``RuntimeError`` with the
    responses of the functions if an error remains.
    """
    progress("Calling the functions")
    if not _failures(stack):
        return
    progress("Starting new processes of the functions, and calling them again")
    kill_functions(folder)
    # The emulator detects the end of a process at the next call, which fails.
    if _failures(stack) and (failures := _failures(stack)):
        raise RuntimeError(
            "\n".join(failures) + "\nThe stack runs, but these functions do not respond as expected. If the code is"
            f" correct, 'make down && make up' starts a new stack without the data of this one. Log: {folder}/aws.log"
        )


def _failures(stack: Stack) -> list[str]:
    """Return a line for each call without the expected response."""
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        callbacks = threads.submit(lambda: list(_callback_failures(stack)))
        backend_failures = threads.map(lambda call: _backend_failure(stack, *call), _BACKEND_CALLS)
        return [*callbacks.result(), *filter(None, backend_failures)]


def _callback_failures(stack: Stack) -> Iterator[str]:
    sender = CallbackSender(stack.callback_url, stack.sites, _TIMEOUT_SECONDS)
    message = {**with_new_identifier(load("authorization")["credit"]), "test": "true"}
    confirmation = build_confirmation(message)
    deliveries = {
        "authorize": sender.deliver("authorize", message, "json"),
        "confirm": sender.deliver("confirm", confirmation, "json"),
        "reverse": sender.deliver("reverse", build_reversal(confirmation), "json"),
    }
    for kind, delivery in deliveries.items():
        if not delivery.accepted:
            yield f"/callbacks/{kind}: {delivery.reason} {delivery.body[:_MAX_BODY]}"


def _backend_failure(stack: Stack, method: str, path: str) -> str | None:
    backend = new_backend(stack, _TIMEOUT_SECONDS)
    try:
        response = backend.get(path) if method == "GET" else backend.post(path, {})
    except HTTPError as error:
        return f"{method} {path}: {type(error).__name__}"
    content = response.content if isinstance(response.content, dict) else {}
    # API Gateway and the emulator return other types, or none.
    is_of_function = str(content.get("type")).startswith(_PROBLEM_TYPES) and response.status in (400, 404)
    return None if is_of_function else f"{method} {path}: status {response.status} {str(response.content)[:_MAX_BODY]}"
