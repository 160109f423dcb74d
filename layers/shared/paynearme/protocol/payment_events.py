"""The events of payments that the merchant's systems get on the event bus.

Each stands for one change of a payment that is durable. Words are PayNearMe's where it has them. What
``docs/events/`` describes is made of these models: a field may be added, but what is there keeps its
meaning for as long as ``schema_version`` stays the same.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from paynearme.protocol.api_responses import ApiModel, Dollars
from paynearme.protocol.reversals import ReversalKind
from paynearme.protocol.types import Identifier, PnmIdentifier

SOURCE = "paynearme"
"""What EventBridge knows the events by, beside the type of each (``detail-type``)."""


class PaymentEvent(ApiModel):
    """What every event tells (EventBridge's ``detail``)."""

    model_config = ConfigDict(extra="forbid")

    detail_type: ClassVar[str]

    schema_version: Literal["1"] = "1"
    event_identifier: str = Field(
        description="A UUID. The same for each repeat of this event, and for no other: keep it, and ignore "
        "what was seen before."
    )
    occurred_at: datetime = Field(description="When the payment changed so.")
    sequence: int = Field(
        description="Larger than in each earlier event of the same payment, with gaps. Events may arrive in "
        "another order."
    )
    site_identifier: Identifier
    pnm_payment_identifier: PnmIdentifier
    pnm_order_identifier: PnmIdentifier
    site_customer_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_payment_identifier: Identifier | None = None


class DecisionEvent(PaymentEvent):
    """What both kinds of decision tell."""

    payment_amount: Dollars
    payment_currency: str
    payment_type: str | None = None
    reason: str = Field(description="The code of the decision's reason.")
    policy_version: str = Field(description="The version of the policy that decided.")


class PaymentAuthorized(DecisionEvent):
    """PayNearMe asked whether the payment may happen, and was told yes. No money has moved."""

    detail_type: ClassVar[str] = "PaymentAuthorized"


class AuthorizationDeclined(DecisionEvent):
    """PayNearMe asked whether the payment may happen, and was told no."""

    detail_type: ClassVar[str] = "AuthorizationDeclined"


class PaymentConfirmed(PaymentEvent):
    """The payment was made, and is posted."""

    detail_type: ClassVar[str] = "PaymentConfirmed"

    payment_amount: Dollars = Field(description="What was paid, with fees.")
    payment_currency: str
    payment_type: str | None = None
    net_payment_amount: Dollars = Field(description="What of it is the customer's.")
    credited_amount: Dollars = Field(
        description="What was added to the customer's balance: the net amount, less what had come back "
        "before; nothing where no customer is named."
    )
    authorized: bool = Field(description="Whether we had accepted it when PayNearMe asked.")
    standin: bool = Field(description="Whether PayNearMe decided in our place.")


class PaymentFailed(PaymentEvent):
    """The payment was not made: PayNearMe confirmed it with decline. What it reserved is given back."""

    detail_type: ClassVar[str] = "PaymentFailed"

    payment_amount: Dollars | None = None
    payment_currency: str | None = None
    payment_type: str | None = None


class PaymentReversed(PaymentEvent):
    """Money of the payment came back: a cancellation, a refund, a chargeback or a bank return."""

    detail_type: ClassVar[str] = "PaymentReversed"

    reversal_kind: ReversalKind = Field(description="What it counts as.")
    reverse_type: str | None = Field(default=None, description="PayNearMe's word for it.")
    reverse_code: str | None = None
    reversed_amount: Dollars = Field(description="What came back this time.")
    debited_amount: Dollars = Field(description="What of it was taken off the customer's balance.")


class PaymentAnomaly(PaymentEvent):
    """Something about the payment does not fit together and needs a person's eye."""

    detail_type: ClassVar[str] = "PaymentAnomaly"

    anomaly: str = Field(description="Its code. Each is told once for a payment.")


class PaymentUnconfirmed(PaymentEvent):
    """The payment was accepted, and nobody has told for a long time what became of it."""

    detail_type: ClassVar[str] = "PaymentUnconfirmed"

    payment_amount: Dollars
    payment_currency: str
    decided_at: datetime


class ReservationReleased(PaymentEvent):
    """What the accepted payment reserved of its customer's limits was given back: no outcome came."""

    detail_type: ClassVar[str] = "ReservationReleased"

    payment_amount: Dollars
    payment_currency: str
    decided_at: datetime


EVENTS: tuple[type[PaymentEvent], ...] = (
    PaymentAuthorized,
    AuthorizationDeclined,
    PaymentConfirmed,
    PaymentFailed,
    PaymentReversed,
    PaymentAnomaly,
    PaymentUnconfirmed,
    ReservationReleased,
)
"""All kinds of events."""
