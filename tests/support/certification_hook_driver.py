"""Confirmations of orders that carry one of PayNearMe's certification hooks as their annotation."""

from sandbox.clients.callback_sender import CallbackSender, Delivery
from sandbox.clients.sample_messages import Parameters
from sandbox.clients.stack_client import build_confirmation

NOT_ACKNOWLEDGED = {
    "confirm_bad_xml": "not JSON",
    "confirm_blank": "not JSON",
    "confirm_redirect": "status 302",
}
"""Why PayNearMe does not take the answer that a hook asks for as an acknowledgement."""


def confirm_twice_with_hook(
    sender: CallbackSender, authorization: Parameters, annotation: str, customer: str
) -> list[Delivery]:
    """Confirm a payment of an order with this annotation, and once more; return both deliveries."""
    hook_parameters = {"site_order_annotation": annotation, "site_customer_identifier": customer}
    return [sender.deliver("confirm", build_confirmation(authorization, **hook_parameters), "json") for _ in range(2)]
