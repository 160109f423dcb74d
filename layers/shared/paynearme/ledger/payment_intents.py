"""The intent to submit a payment, which is stored before the request to PayNearMe."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment

SUBMISSION_LEASE_SECONDS = 10
"""The lifetime of a submission lease. Longer than the Lambda timeout (9 s), so the lease's owner has ended (ADR 10)."""


@dataclass(frozen=True)
class PaymentIntent:
    """The intent of one request to submit a payment. Equal requests have one ``site_payment_identifier``.

    ``attempt_id`` is unique for the request. ``lease_expires_at`` (Unix seconds) is the end of its exclusive right.
    """

    site_id: str
    request: MakePaymentRequest
    lease_expires_at: int
    attempt_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def create(cls, site_id: str, request: MakePaymentRequest, now: datetime) -> "PaymentIntent":
        """Return the intent of a request for a site at ``now``."""
        return cls(site_id, request, int(now.timestamp()) + SUBMISSION_LEASE_SECONDS)

    @property
    def site_payment_identifier(self) -> str:
        """Return the merchant's identifier of the payment, which the request and all callbacks contain."""
        return self.request.site_payment_identifier(self.site_id)

    def to_response(
        self,
        status: Literal["submitted", "confirmed"],
        pnm_payment_identifier: str | None,
        amount: Decimal | None = None,
    ) -> SubmittedPayment:
        """Return an accepted payment. ``amount`` replaces the requested amount if the confirmed amount differs."""
        request = self.request
        return SubmittedPayment(
            status=status,
            site_payment_identifier=self.site_payment_identifier,
            pnm_payment_identifier=pnm_payment_identifier,
            pnm_order_identifier=request.pnm_order_identifier,
            payment_method_identifier=request.payment_method_identifier,
            payment_amount=request.payment_amount if amount is None else amount,
            payment_currency=request.payment_currency,
        )
