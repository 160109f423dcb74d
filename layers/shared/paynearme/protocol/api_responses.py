"""What the merchant's backend is told of orders, customers and payments.

Words are PayNearMe's where it has them. ``entries`` has what is asked and fed.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import ReversalKind
from paynearme.protocol.types import Identifier, PnmIdentifier, invalid

OrderStatusValue = Literal["open", "closed"]
OrderTypeValue = Literal["exact", "up-to", "any"]
CustomerStatusValue = Literal["active", "suspended", "closed"]

_CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


def _code(value: object) -> str:
    if isinstance(value, str) and _CODE.fullmatch(value):
        return value
    raise invalid("must be a code of at most 64 of a to z, 0 to 9 and _")


Code = Annotated[str, BeforeValidator(_code), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9_]{1,64}$"})]
"""A word of the merchant's own, which says nothing to whom it was not told."""

Dollars = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}),
]
"""An amount that we tell: text with two places."""


class ApiModel(BaseModel):
    """What is told. Every field is always there: null where nothing is known."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class OrderResponse(ApiModel):
    """An order as the merchant fed it."""

    site_identifier: Identifier
    pnm_order_identifier: PnmIdentifier
    status: OrderStatusValue
    order_type: OrderTypeValue
    order_amount: Dollars | None = None
    minimum_payment_amount: Dollars | None = None
    expires_at: datetime | None = None
    merchant_updated_at: datetime | None = Field(
        default=None,
        description="When what the merchant feeds last changed; to feed the same changes nothing.",
    )


class WindowResponse(ApiModel):
    """What a customer spent in a calendar window: decided and not failed, confirmed or not yet."""

    window: str = Field(description="The day, week or month: 2026-11-20, 2026-W47 or 2026-11.")
    spent: Dollars
    by_payment_type: dict[str, Dollars] = Field(
        description="By payment type, where it is not nothing. Also: other for one that PayNearMe does not "
        "document, none where a payment has none."
    )


class SpendingResponse(ApiModel):
    """What a customer spent in the windows that run now."""

    time_zone: str = Field(description="The policy's time zone, in which the windows begin and end.")
    day: WindowResponse
    week: WindowResponse
    month: WindowResponse


class RecentCount(ApiModel):
    """How often something happened within the last days, of which today, in UTC, is the last."""

    count: int
    within_days: int = Field(description="As the policy's rule has it; 365 where there is none.")


class CustomerResponse(ApiModel):
    """A customer: what the merchant fed, and what the payments brought about."""

    site_identifier: Identifier
    site_customer_identifier: Identifier
    status: CustomerStatusValue | None = Field(
        default=None, description="null for a customer who paid and whom the merchant has not fed."
    )
    suspended_reason: Code | None = None
    self_imposed_day_limit: Dollars | None = None
    self_imposed_week_limit: Dollars | None = None
    self_imposed_month_limit: Dollars | None = None
    merchant_updated_at: datetime | None = Field(
        default=None,
        description="When what the merchant feeds last changed; to feed the same changes nothing.",
    )
    balance: Dollars = Field(
        default=Decimal(0), description="What was posted, less what came back. To feed never touches it."
    )
    spending: SpendingResponse
    chargebacks: RecentCount
    returns: RecentCount


class ReversalDetails(ApiModel):
    """Money that came back, as PayNearMe told of it."""

    at: datetime = Field(description="When we were told.")
    kind: ReversalKind = Field(description="What it counts as.")
    type: str | None = Field(default=None, description="PayNearMe's reverse_type.")
    code: str | None = Field(default=None, description="PayNearMe's reverse_code.")
    amount: Dollars = Field(description="What came back.")
    debited_amount: Dollars = Field(description="What of it was taken off the customer's balance.")


class ReservedWindows(ApiModel):
    """The calendar windows in which a payment counts."""

    day: str
    week: str
    month: str


class ReservationResponse(ApiModel):
    """What a payment holds of its customer's spending."""

    site_customer_identifier: Identifier
    amount: Dollars = Field(description="Nothing once it has failed or was released.")
    payment_type: str
    windows: ReservedWindows


class PaymentResponse(ApiModel):
    """The whole story of a payment: what was asked and decided, what became of it, and what came back.

    ``authorized_…`` is what PayNearMe asked about, ``confirmed_…`` what it told of the outcome.
    """

    site_identifier: Identifier
    pnm_payment_identifier: PnmIdentifier
    test: bool
    pnm_order_identifier: PnmIdentifier
    site_customer_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_payment_identifier: Identifier | None = None
    payment_type: str | None = None

    decision: Literal["accept", "decline"] | None = Field(default=None, description="null where PayNearMe did not ask.")
    reason: str | None = Field(default=None, description="The code of the decision's reason.")
    decline_reason: str | None = Field(default=None, description="What the consumer read of a decline.")
    decided_at: datetime | None = None
    policy_version: str | None = Field(default=None, description="The version of the policy that decided.")
    authorized_amount: Dollars | None = None
    authorized_currency: str | None = None
    authorized_net: Dollars | None = None
    authorized_order: PnmIdentifier | None = None
    authorized_customer: Identifier | None = None

    outcome: Outcome | None = Field(default=None, description="null until PayNearMe has told it.")
    confirmed_at: datetime | None = None
    confirmed_amount: Dollars | None = None
    confirmed_currency: str | None = None
    confirmed_net: Dollars | None = None
    confirmed_order: PnmIdentifier | None = None
    confirmed_customer: Identifier | None = None
    standin: bool | None = Field(default=None, description="Whether PayNearMe decided in our place.")
    posted_amount: Dollars | None = Field(default=None, description="What was posted to the balance.")

    reservation: ReservationResponse | None = Field(default=None, description="null where it never held anything.")
    unconfirmed_at: datetime | None = Field(default=None, description="When its outcome was found to be overdue.")
    released_at: datetime | None = Field(
        default=None, description="When its reservation was given back without an outcome."
    )
    anomalies: list[str] = Field(description="What is wrong with it and needs a person's eye, as codes.")
    reversed_amount: Dollars | None = Field(default=None, description="What came back in all.")
    debited_amount: Dollars | None = Field(default=None, description="What of it was taken off the balance.")
    reversals: list[ReversalDetails] = Field(description="What came back, the first first.")
