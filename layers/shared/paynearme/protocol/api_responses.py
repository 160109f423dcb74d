"""Responses to the merchant's backend about orders, customers and payments.

The fields have PayNearMe's names if PayNearMe has one. ``merchant_input`` has the requests.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason
from paynearme.protocol.reversals import ReversalKind
from paynearme.protocol.types import Identifier, PnmIdentifier, matching

OrderStatusValue = Literal["open", "closed"]
OrderTypeValue = Literal["exact", "up-to", "any"]
CustomerStatusValue = Literal["active", "suspended", "closed"]

Code = Annotated[
    str,
    matching(r"[a-z0-9_]{1,64}", "must be a code of at most 64 of a to z, 0 to 9 and _"),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9_]{1,64}$"}),
]
"""A code that the merchant defines."""

Dollars = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}),
]
"""An amount as text with two decimals."""

MerchantUpdatedAt = Annotated[
    datetime | None,
    Field(description="The time of the last change of the merchant's data. A repeated PUT does not change it."),
]


class ApiModel(BaseModel):
    """A model with all fields in its JSON. Unknown values are ``null``."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class OrderResponse(ApiModel):
    """An order with the merchant's data."""

    site_identifier: Identifier
    pnm_order_identifier: PnmIdentifier
    status: OrderStatusValue
    order_type: OrderTypeValue
    order_amount: Dollars | None = None
    minimum_payment_amount: Dollars | None = None
    expires_at: datetime | None = None
    merchant_updated_at: MerchantUpdatedAt = None


class WindowResponse(ApiModel):
    """A customer's spending in a calendar window: accepted payments that did not fail."""

    window: str = Field(description="The day, week or month: 2026-11-20, 2026-W47 or 2026-11.")
    spent: Dollars
    by_payment_type: dict[str, Dollars] = Field(
        description="The non-zero amounts by payment type. Also: other for a type that PayNearMe does not document, "
        "none for payments without a type."
    )


class SpendingResponse(ApiModel):
    """A customer's spending in the current windows."""

    time_zone: str = Field(description="The policy's time zone, which defines the start and the end of the windows.")
    day: WindowResponse
    week: WindowResponse
    month: WindowResponse


class RecentCount(ApiModel):
    """A count within the last ``within_days`` UTC days, including today."""

    count: int
    within_days: int = Field(description="The days of the policy's rule, or 365 without a rule.")


class CustomerResponse(ApiModel):
    """A customer with the merchant's data, the balance, the spending and the counts."""

    site_identifier: Identifier
    site_customer_identifier: Identifier
    status: CustomerStatusValue | None = Field(
        default=None, description="null for a customer with payments and without merchant data."
    )
    suspended_reason: Code | None = None
    self_imposed_day_limit: Dollars | None = None
    self_imposed_week_limit: Dollars | None = None
    self_imposed_month_limit: Dollars | None = None
    merchant_updated_at: MerchantUpdatedAt = None
    balance: Dollars = Field(
        default=Decimal(0), description="The posted amounts minus the debited amounts. A PUT does not change it."
    )
    spending: SpendingResponse
    chargebacks: RecentCount
    returns: RecentCount


class ReversalDetails(ApiModel):
    """One reversal of PayNearMe."""

    at: datetime = Field(description="The time of the callback.")
    kind: ReversalKind = Field(description="The category of the reversal.")
    type: str | None = Field(default=None, description="PayNearMe's reverse_type.")
    code: str | None = Field(default=None, description="PayNearMe's reverse_code.")
    amount: Dollars = Field(description="The returned amount. For undone, no money was returned.")
    debited_amount: Dollars = Field(description="The part that was debited from the customer's balance.")


class ReservedWindows(ApiModel):
    """The calendar windows of a reservation."""

    day: str
    week: str
    month: str


class ReservationResponse(ApiModel):
    """The amount of a payment that counts against its customer's limits."""

    site_customer_identifier: Identifier
    amount: Dollars = Field(description="Zero after a failure or a release.")
    payment_type: str
    windows: ReservedWindows


class QuarantinedDetails(ApiModel):
    """One callback about the payment that could not be processed, and that an operator has not resolved."""

    at: datetime = Field(description="The time of the callback.")
    kind: CallbackKind = Field(description="The endpoint of the callback.")
    reason: QuarantineReason = Field(description="The code of the reason for which it was not processed.")
    pnm_order_identifier: PnmIdentifier | None = Field(
        default=None, description="The order that the callback names. null if it is malformed."
    )


class PaymentResponse(ApiModel):
    """A payment with its decision, its outcome, its reservation and its reversals.

    The ``authorized_…`` fields are from the authorization, and the ``confirmed_…`` fields from the confirmation.
    """

    site_identifier: Identifier
    pnm_payment_identifier: PnmIdentifier
    test: bool
    pnm_order_identifier: PnmIdentifier | None = Field(
        default=None, description="null if all callbacks of the payment are in the quarantine."
    )
    site_customer_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_payment_identifier: Identifier | None = None
    payment_type: str | None = None

    decision: Literal["accept", "decline"] | None = Field(default=None, description="null without an authorization.")
    reason: str | None = Field(default=None, description="The code of the decision's reason.")
    decline_reason: str | None = Field(default=None, description="The decline reason for the consumer.")
    decided_at: datetime | None = None
    policy_version: str | None = Field(default=None, description="The version of the policy of the decision.")
    authorized_amount: Dollars | None = None
    authorized_currency: str | None = None
    authorized_net: Dollars | None = None
    authorized_order: PnmIdentifier | None = None
    authorized_customer: Identifier | None = None

    outcome: Outcome | None = Field(default=None, description="null before the confirmation.")
    confirmed_at: datetime | None = None
    confirmed_amount: Dollars | None = None
    confirmed_currency: str | None = None
    confirmed_net: Dollars | None = None
    confirmed_order: PnmIdentifier | None = None
    confirmed_customer: Identifier | None = None
    standin: bool | None = Field(
        default=None, description="Whether PayNearMe decided without an authorization response."
    )
    posted_amount: Dollars | None = Field(
        default=None,
        description="The net amount of a paid payment. The confirmation credited it to the balance, minus earlier "
        "reversals. Without a customer, no balance was credited.",
    )

    reservation: ReservationResponse | None = Field(default=None, description="null without a reservation.")
    unconfirmed_at: datetime | None = Field(
        default=None, description="The time at which the sweep found the payment unconfirmed."
    )
    released_at: datetime | None = Field(
        default=None, description="The time at which the reservation was released without an outcome."
    )
    anomalies: list[str] = Field(description="The codes of the contradictions that an operator must resolve.")
    reversed_amount: Dollars | None = Field(default=None, description="The sum of the reversals.")
    debited_amount: Dollars | None = Field(default=None, description="The part that was debited from the balance.")
    reversals: list[ReversalDetails] = Field(description="The reversals, in order of time.")
    quarantined: list[QuarantinedDetails] = Field(
        description="The unresolved callbacks in the quarantine, in order of time, at most 4."
    )
    quarantine_overflow: int = Field(
        default=0, description="The number of further callbacks that the quarantine did not store."
    )
