"""A payment that the merchant's backend asks for, as it is written down before PayNearMe is asked."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment

SUBMISSION_LEASE_SECONDS = 10
"""After so long whoever began to make a payment has ended, one way or another: Lambda stops it after 9."""


@dataclass(frozen=True)
class PaymentIntent:
    """The wish of one call to make a payment. Equal calls have one ``site_payment_identifier``.

    ``attempt`` is this call's own, and ``ends_at`` (Unix seconds) when it is over, however it ended.
    """

    site_id: str
    request: MakePaymentRequest
    lease_expires_at: int
    attempt_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def create(cls, site_id: str, request: MakePaymentRequest, now: datetime) -> "PaymentIntent":
        """Return the intent of a call that came ``now`` for ``site``."""
        return cls(site_id, request, int(now.timestamp()) + SUBMISSION_LEASE_SECONDS)

    @property
    def site_payment_identifier(self) -> str:
        """Return our identifier of the payment, which PayNearMe is told and its callbacks carry."""
        return self.request.site_payment_identifier(self.site_id)

    def to_response(
        self,
        status: Literal["submitted", "confirmed"],
        pnm_payment_identifier: str | None,
        amount: Decimal | None = None,
    ) -> SubmittedPayment:
        """Return the payment as one that PayNearMe took on; ``amount`` where another is known to be paid."""
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
