"""The request to make a payment with a saved method, and our answer (seed ``guaranteed_ach``)."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from paynearme.protocol.api_call import PayNearMeRequest, PayNearMeResponse, UsDollars
from paynearme.protocol.api_responses import Dollars
from paynearme.protocol.types import Identifier, PnmIdentifier, PositiveMoney, invalid

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header that makes a call and its repeats one payment."""

_KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_PNM_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paynearme-serverless:make-payment")


def _validate_key(value: object) -> str:
    if isinstance(value, str) and _KEY_PATTERN.fullmatch(value):
        return value
    raise invalid("must be 1 to 255 visible ASCII characters")


IdempotencyKey = Annotated[
    str, BeforeValidator(_validate_key), WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"})
]


class MakePaymentRequest(PayNearMeRequest):
    """Asks PayNearMe to make a payment with a payment method that the customer has saved."""

    header_fields: ClassVar[tuple[str, ...]] = (IDEMPOTENCY_KEY,)

    idempotency_key: IdempotencyKey = Field(
        alias=IDEMPOTENCY_KEY,
        exclude=True,
        repr=False,
        description="Chosen by the caller, a new one for each payment that is wanted, such as a UUID. Calls "
        "with the same key and content are one payment.",
    )
    pnm_order_identifier: PnmIdentifier
    payment_method_identifier: Identifier
    payment_amount: PositiveMoney
    payment_currency: UsDollars
    site_channel: Identifier = Field(description="Where the payment comes from, in PayNearMe's words: consumer.")

    def site_payment_identifier(self, site_id: str) -> str:
        """Return our identifier of the payment: the same for each call with this key for this site."""
        return str(uuid.uuid5(_NAMESPACE, json.dumps([site_id, self.idempotency_key])))

    def fingerprint(self) -> str:
        """Return what is equal for calls that ask for the same payment."""
        return hashlib.sha256(json.dumps(self.to_parameters(), sort_keys=True).encode()).hexdigest()


class SubmittedPayment(PayNearMeResponse):
    """A payment that PayNearMe took on. What became of it, the confirmation callback tells."""

    status: Literal["submitted", "confirmed"] = Field(
        description="submitted: PayNearMe took it on. confirmed: PayNearMe's answer was lost, and its "
        "confirmation has told since that the payment was made."
    )
    site_payment_identifier: str = Field(
        description="Ours, which PayNearMe's callbacks carry: it follows from site and Idempotency-Key."
    )
    pnm_payment_identifier: str | None = Field(description="PayNearMe's, if its answer named it.")
    pnm_order_identifier: PnmIdentifier
    payment_method_identifier: Identifier
    payment_amount: Dollars
    payment_currency: str


def extract_payment_identifier(response: Mapping[str, Any]) -> str | None:
    """Return the ``pnm_payment_identifier`` in PayNearMe's answer, None where it names none.

    No document shows this answer: it may stand at the top or under ``payment``.
    """
    nested = response.get("payment")
    candidates = [response, nested] if isinstance(nested, Mapping) else [response]
    for candidate in candidates:
        value = candidate.get("pnm_payment_identifier")
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if _PNM_IDENTIFIER.fullmatch(text):
            return text
    return None
