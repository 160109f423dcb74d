"""Events about payments for the merchant's systems on the event bus.

An event is about one committed change of a payment. The fields have PayNearMe's names if PayNearMe has one. The JSON
Schemas in ``docs/events/`` are generated from these models. A new field needs no new ``schema_version``. A changed
meaning does.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from paynearme.protocol.api_responses import ApiModel, Dollars
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason
from paynearme.protocol.reversals import ReversalKind
from paynearme.protocol.types import Identifier, PnmIdentifier

SOURCE = "paynearme"
"""The ``source`` of the events. Each event type has its own ``detail-type``."""


class Event(ApiModel):
    """The fields of every event (EventBridge's ``detail``)."""

    model_config = ConfigDict(extra="forbid")

    detail_type: ClassVar[str]

    schema_version: Literal["1"] = "1"
    event_identifier: str = Field(
        description="A UUID. Repetitions of an event have the same value, and other events do not. Store it to "
        "ignore repetitions."
    )
    occurred_at: datetime = Field(description="The time of the change.")
    site_identifier: Identifier


class PaymentEvent(Event):
    """The fields of every event about a payment."""

    sequence: int = Field(
        description="Increases with each event of a payment, with gaps. Events can arrive in another order."
    )
    pnm_payment_identifier: PnmIdentifier
    pnm_order_identifier: PnmIdentifier
    site_customer_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_payment_identifier: Identifier | None = None


class DecisionEvent(PaymentEvent):
    """The fields of both decision events."""

    payment_amount: Dollars
    payment_currency: str
    payment_type: str | None = None
    reason: str = Field(description="The code of the decision's reason.")
    policy_version: str = Field(description="The version of the policy of the decision.")


class PaymentAuthorized(DecisionEvent):
    """The authorization of the payment was accepted. No money has moved."""

    detail_type: ClassVar[str] = "PaymentAuthorized"


class AuthorizationDeclined(DecisionEvent):
    """The authorization of the payment was declined."""

    detail_type: ClassVar[str] = "AuthorizationDeclined"


class PaymentConfirmed(PaymentEvent):
    """PayNearMe confirmed the payment as paid, and it is posted."""

    detail_type: ClassVar[str] = "PaymentConfirmed"

    payment_amount: Dollars = Field(description="The paid amount, with fees.")
    payment_currency: str
    payment_type: str | None = None
    net_payment_amount: Dollars = Field(description="The paid amount, without fees.")
    credited_amount: Dollars = Field(
        description="The amount that was credited to the customer's balance: the net amount minus earlier "
        "reversals, or zero without a customer."
    )
    authorized: bool = Field(description="Whether an authorization of the payment was accepted.")
    standin: bool = Field(description="Whether PayNearMe decided without an authorization response.")


class PaymentFailed(PaymentEvent):
    """PayNearMe confirmed the payment as not paid (decline). Its reservation is removed."""

    detail_type: ClassVar[str] = "PaymentFailed"

    payment_amount: Dollars | None = None
    payment_currency: str | None = None
    payment_type: str | None = None


class PaymentReversed(PaymentEvent):
    """Money of the payment was returned: a cancellation, a refund, a chargeback or a bank return."""

    detail_type: ClassVar[str] = "PaymentReversed"

    reversal_kind: ReversalKind = Field(description="The category of the reversal. Never undone.")
    reverse_type: str | None = Field(default=None, description="PayNearMe's reverse_type.")
    reverse_code: str | None = None
    reversed_amount: Dollars = Field(description="The returned amount of this reversal.")
    debited_amount: Dollars = Field(description="The part that was debited from the customer's balance.")


class PaymentAnomaly(PaymentEvent):
    """The messages about the payment contradict each other. An operator must resolve it."""

    detail_type: ClassVar[str] = "PaymentAnomaly"

    anomaly: str = Field(description="The code of the anomaly. A payment has at most one event for each code.")


class PaymentUnconfirmed(PaymentEvent):
    """The authorized payment has no confirmation after the configured time."""

    detail_type: ClassVar[str] = "PaymentUnconfirmed"

    payment_amount: Dollars
    payment_currency: str
    decided_at: datetime


class ReservationReleased(PaymentEvent):
    """The reservation of the authorized payment was released, because no confirmation arrived."""

    detail_type: ClassVar[str] = "ReservationReleased"

    payment_amount: Dollars
    payment_currency: str
    decided_at: datetime


class CallbackQuarantined(Event):
    """An authentic callback could not be processed. An operator must resolve it. It can name no payment."""

    detail_type: ClassVar[str] = "CallbackQuarantined"

    kind: CallbackKind = Field(description="The endpoint of the callback.")
    reason: QuarantineReason = Field(description="The code of the reason for which it was not processed.")
    quarantine_identifier: str = Field(description="The identifier for the operator's commands.")
    pnm_payment_identifier: PnmIdentifier | None = None
    pnm_order_identifier: PnmIdentifier | None = None


EVENTS: tuple[type[Event], ...] = (
    PaymentAuthorized,
    AuthorizationDeclined,
    PaymentConfirmed,
    PaymentFailed,
    PaymentReversed,
    PaymentAnomaly,
    PaymentUnconfirmed,
    ReservationReleased,
    CallbackQuarantined,
)
"""All event types."""
