"""Confirmations of orders that carry one of PayNearMe's certification hooks as their annotation."""

from local.callbacks import CallbackSender, Delivery
from local.drive import confirmation_of
from local.events import Parameters

NOT_ACKNOWLEDGED = {
    "confirm_bad_xml": "not JSON",
    "confirm_blank": "not JSON",
    "confirm_redirect": "status 302",
}
"""Why PayNearMe does not take the answer that a hook asks for as an acknowledgement."""


def rehearsed(
    sender: CallbackSender, authorization: Parameters, annotation: str, customer: str
) -> list[Delivery]:
    """Confirm a payment of an order with this annotation, and once more; return both deliveries."""
    annotated = {"site_order_annotation": annotation, "site_customer_identifier": customer}
    return [sender.deliver("confirm", confirmation_of(authorization, **annotated), "json") for _ in range(2)]
