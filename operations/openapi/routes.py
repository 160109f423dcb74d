"""The routes of the backend API, as a caller must know them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from operations.openapi import examples
from paynearme.errors import (
    CredentialsRefusedError,
    InvalidMessageError,
    NotFoundError,
    PayNearMeFaultError,
    PayNearMeTimeoutError,
    RefusedByPayNearMeError,
    TooLargeError,
    UnavailableError,
    UnreadableError,
)
from paynearme.messages import Message, SmartTokenAnswer, SmartTokenRequest
from paynearme.messages.entries import (
    CustomerEntry,
    CustomerRequest,
    OrderEntry,
    OrderRequest,
    PaymentRequest,
)
from paynearme.messages.records import CustomerRecord, OrderRecord, PaymentRecord


@dataclass(frozen=True)
class Route:
    """A method of a path. ``problems`` has one example of each error that it can end with.

    What ``request`` has beyond the path's parameters stands in the query of a GET and else in the body, of
    which ``body_example`` is one.
    """

    name: str
    method: str
    path: str
    summary: str
    description: str
    request: type[Message]
    answer: type[BaseModel]
    problems: Sequence[Exception]
    answer_example: Mapping[str, Any]
    body_example: Mapping[str, Any] | None = None

    @property
    def in_path(self) -> list[str]:
        """Return the names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)


_ORDERS = "/orders/{site_identifier}/{pnm_order_identifier}"
_CUSTOMERS = "/customers/{site_identifier}/{site_customer_identifier}"
_PAYMENTS = "/payments/{site_identifier}/{pnm_payment_identifier}"

_OF_ANY = (
    UnreadableError(),
    InvalidMessageError({"site_identifier": "is not one of our sites"}),
    UnavailableError(),
    # Any that is not this project's.
    Exception(),
)
_OF_A_BODY = (*_OF_ANY, TooLargeError())
_OF_A_SEARCH = (*_OF_ANY, NotFoundError())
_OF_PAYNEARME = (
    RefusedByPayNearMeError("1100", ["Order is unknown"]),
    CredentialsRefusedError(),
    PayNearMeFaultError(),
    PayNearMeTimeoutError(),
)

ROUTES = (
    Route(
        name="getSmartToken",
        method="post",
        path="/tokens",
        summary="Get a Smart Token",
        description="Signs the request, sends it to PayNearMe, and returns its orders with their links.",
        request=SmartTokenRequest,
        answer=SmartTokenAnswer,
        problems=(*_OF_A_BODY, *_OF_PAYNEARME),
        answer_example=examples.TOKEN_ANSWER,
        body_example=examples.TOKEN_REQUEST,
    ),
    Route(
        name="getOrder",
        method="get",
        path=_ORDERS,
        summary="Get an order",
        description="Returns an order as the merchant fed it.",
        request=OrderRequest,
        answer=OrderRecord,
        problems=_OF_A_SEARCH,
        answer_example=examples.ORDER,
    ),
    Route(
        name="putOrder",
        method="put",
        path=_ORDERS,
        summary="Feed an order",
        description="Replaces all that the merchant said of the order before. "
        "To send the same again changes nothing.",
        request=OrderEntry,
        answer=OrderRecord,
        problems=_OF_A_BODY,
        answer_example=examples.ORDER,
        body_example=examples.ORDER_ENTRY,
    ),
    Route(
        name="getCustomer",
        method="get",
        path=_CUSTOMERS,
        summary="Get a customer",
        description="Returns a customer with balance, spending in the windows that run now, and counts. "
        "A customer who paid is known even if the merchant fed none.",
        request=CustomerRequest,
        answer=CustomerRecord,
        problems=_OF_A_SEARCH,
        answer_example=examples.CUSTOMER,
    ),
    Route(
        name="putCustomer",
        method="put",
        path=_CUSTOMERS,
        summary="Feed a customer",
        description="Replaces all that the merchant said of the customer before. Balance, spending and "
        "counts stay as they are. To send the same again changes nothing. What was sent may hold even if the "
        "answer is 503: send it again.",
        request=CustomerEntry,
        answer=CustomerRecord,
        problems=_OF_A_BODY,
        answer_example=examples.CUSTOMER,
        body_example=examples.CUSTOMER_ENTRY,
    ),
    Route(
        name="getPayment",
        method="get",
        path=_PAYMENTS,
        summary="Get a payment",
        description="Returns the whole story of a payment. Expect new codes of reasons and of anomalies.",
        request=PaymentRequest,
        answer=PaymentRecord,
        problems=_OF_A_SEARCH,
        answer_example=examples.PAYMENT,
    ),
)
