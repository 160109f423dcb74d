"""What tests of several callbacks share: a payment that was made, and callbacks of all kinds at once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from sandbox.clients.callback_sender import CallbackSender, Delivery, Kind
from sandbox.clients.sample_messages import Parameters
from sandbox.clients.stack_client import build_confirmation


def authorize_and_confirm(sender: CallbackSender, message: Parameters, customer: str) -> Parameters:
    """Have a payment authorized and confirmed; return its confirmation."""
    authorization = {**message, "site_customer_identifier": customer}
    confirmation = build_confirmation(authorization)
    assert sender.deliver("authorize", authorization, "json").accepted
    assert sender.deliver("confirm", confirmation, "json").accepted
    return confirmation


def deliver_concurrently(sender: CallbackSender, messages: Mapping[Kind, Parameters]) -> dict[Kind, Delivery]:
    """Send a message of each kind, all at the same time; return what came of each."""
    with ThreadPoolExecutor(len(messages)) as threads:
        deliveries = threads.map(lambda kind: sender.deliver(kind, messages[kind], "json"), messages)
        return dict(zip(messages, deliveries, strict=True))
