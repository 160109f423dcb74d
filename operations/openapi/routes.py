"""The routes of the backend API, as a caller must know them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from operations.openapi import examples
from paynearme.errors import (
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    IdempotencyKeyReusedError,
    MalformedRequestError,
    NotFoundError,
    OrderNotRecordedError,
    PayloadTooLargeError,
    PaymentFailedError,
    PaymentInProgressError,
    PaymentOutcomeUnknownError,
    RequestRejectedError,
    UnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
    ValidationFailedError,
)
from paynearme.protocol.api_responses import CustomerResponse, OrderResponse, PaymentResponse
from paynearme.protocol.create_order import CreateOrderRequest, CreateOrderResponse
from paynearme.protocol.make_payment import MakePaymentRequest, SubmittedPayment
from paynearme.protocol.merchant_input import CustomerInput, CustomerRequest, OrderInput, OrderRequest, PaymentRequest
from paynearme.protocol.parsing import Message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse


@dataclass(frozen=True)
class Route:
    """A method of a path. ``problems`` has one example of each error that it can end with.

    What ``request`` has beyond path and headers stands in the query of a GET and else in the body, of which
    ``body_example`` is one. ``meanings`` says what a status means for this call alone.
    """

    name: str
    method: str
    path: str
    summary: str
    description: str
    request: type[Message]
    response: type[BaseModel]
    problems: Sequence[Exception]
    response_example: Mapping[str, Any]
    body_example: Mapping[str, Any] | None = None
    header_examples: Mapping[str, str] = field(default_factory=dict)
    error_descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_path(self) -> list[str]:
        """Return the names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def non_body_fields(self) -> list[str]:
        """Return the names of the parameters that stand in the path or come as headers."""
        return [*self.in_path, *self.request.header_fields]


_ORDERS = "/orders/{site_identifier}/{pnm_order_identifier}"
_CUSTOMERS = "/customers/{site_identifier}/{site_customer_identifier}"
_PAYMENTS = "/payments/{site_identifier}/{pnm_payment_identifier}"

_COMMON_ERRORS = (
    MalformedRequestError(),
    ValidationFailedError({"site_identifier": "is not a configured site"}),
    UnavailableError(),
    # Any that is not this project's.
    Exception(),
)
_BODY_ERRORS = (*_COMMON_ERRORS, PayloadTooLargeError())
_LOOKUP_ERRORS = (*_COMMON_ERRORS, NotFoundError())
_UPSTREAM_ERRORS = (
    RequestRejectedError("1100", ["Order is unknown"]),
    CredentialsRejectedError(),
    UpstreamError(),
    UpstreamTimeoutError(),
)
_SUBMISSION_ERRORS = (
    PaymentInProgressError(7),
    BankAuthorizationExpiredError(
        "6513",
        ["Your payment token is expired, please connect your bank account again to make payment."],
        "76590ef5135ae",
        "80080175585",
        "S2155373459",
    ),
    IdempotencyKeyReusedError(),
    PaymentFailedError(examples.SITE_PAYMENT_IDENTIFIER, "830466818968"),
    PaymentOutcomeUnknownError(examples.SITE_PAYMENT_IDENTIFIER),
)
_API_GATEWAY_UNAVAILABLE = "unavailable: API Gateway got no answer of ours, and says so with status 500, 502 or 504."
_ORDER_MAY_EXIST = (
    "The order may exist at PayNearMe: look for it in PayNearMe's portal before you repeat the call, or "
    "repeat it with the same site_order_identifier if PayNearMe has told you that this makes no second order."
)

ROUTES = (
    Route(
        name="getSmartToken",
        method="post",
        path="/smart-tokens",
        summary="Get a Smart Token",
        description="Sends the request to PayNearMe, signed or with an access token, and returns its "
        "orders with their links.",
        request=SmartTokenRequest,
        response=SmartTokenResponse,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS),
        response_example=examples.SMART_TOKEN_RESPONSE,
        body_example=examples.SMART_TOKEN_REQUEST,
    ),
    Route(
        name="createOrder",
        method="post",
        path="/orders",
        summary="Create an order",
        description="Creates an order at PayNearMe and lets authorizations know it, so that it need not be "
        "fed; what was fed of it before stands. Give each order a site_order_identifier of its own. "
        "PayNearMe's reference asks for the calls for one customer one after the other, not at once.",
        request=CreateOrderRequest,
        response=CreateOrderResponse,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS, OrderNotRecordedError("80080175585")),
        response_example=examples.CREATE_ORDER_RESPONSE,
        body_example=examples.CREATE_ORDER_REQUEST,
        error_descriptions={
            "500": f"Internal error. {_ORDER_MAY_EXIST}",
            "502": "PayNearMe refused our credentials, and there is no order; or PayNearMe is out of order. "
            f"{_ORDER_MAY_EXIST}",
            "503": "order-not-recorded: the order exists at PayNearMe, and authorizations do not know it. "
            "Feed it with PUT /orders, and do not create it again. unavailable: something of ours is out of "
            "order, and this call created no order.",
            "504": f"PayNearMe did not answer in time. {_ORDER_MAY_EXIST}",
            "default": f"{_API_GATEWAY_UNAVAILABLE} {_ORDER_MAY_EXIST}",
        },
    ),
    Route(
        name="findPaymentMethods",
        method="post",
        path="/payment-methods/find",
        summary="Find a customer's saved payment methods",
        description="Asks PayNearMe what a customer has saved to pay with. It changes nothing and can be repeated.",
        request=FindPaymentMethodsRequest,
        response=PaymentMethods,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS),
        response_example=examples.PAYMENT_METHODS,
        body_example=examples.FIND_PAYMENT_METHODS_REQUEST,
    ),
    Route(
        name="makePayment",
        method="post",
        path="/payments",
        summary="Make a payment with a saved payment method",
        description="Asks PayNearMe for a payment, once for each Idempotency-Key: however often a call is "
        "repeated with its key, it is one payment. After a time-out or any 5xx, repeat it with the same key. "
        "A refusal (422, and 409 bank-authorization-expired) belongs to the key: another attempt needs a new "
        "one. Never take a new key while the outcome of the old one is not known.",
        request=MakePaymentRequest,
        response=SubmittedPayment,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS, *_SUBMISSION_ERRORS),
        response_example=examples.SUBMITTED_PAYMENT,
        body_example=examples.MAKE_PAYMENT_REQUEST,
        header_examples=examples.MAKE_PAYMENT_HEADERS,
        error_descriptions={
            "409": "payment-in-progress: another call with the same key is making the payment; repeat the call "
            "with the same key after the seconds of Retry-After. bank-authorization-expired: nothing was "
            "paid. Get a Smart Token with what reconnect says, let the customer connect the bank again, and "
            "then call with a new key.",
            "422": "rejected-by-paynearme, payment-failed: nothing was paid, and the key stays refused; "
            "another attempt needs a new key. idempotency-key-reused: the key belongs to a payment with "
            "other content, and nothing was asked for.",
            "500": "Internal error. Nobody can tell whether it was paid: repeat the call with the same key.",
            "502": "credentials-rejected, paynearme-error: nothing was paid, and the same key may be sent again.",
            "503": "Something of ours is out of order. This call paid nothing, and says nothing of calls "
            "with this key before it: repeat it with the same key.",
            "504": "paynearme-timeout: nothing was paid, and the same key may be sent again. "
            "payment-outcome-unknown: nobody can tell yet. Repeat the call with the same key later, and "
            "never take a new key before PayNearMe's portal says that it was not paid.",
            "default": f"{_API_GATEWAY_UNAVAILABLE} Nobody can tell whether it was paid: repeat the call with the same "
            "key.",
        },
    ),
    Route(
        name="getOrder",
        method="get",
        path=_ORDERS,
        summary="Get an order",
        description="Returns an order as the merchant fed it, or as POST /orders created it.",
        request=OrderRequest,
        response=OrderResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.ORDER,
    ),
    Route(
        name="putOrder",
        method="put",
        path=_ORDERS,
        summary="Feed an order",
        description="Replaces all that the merchant said of the order before. To send the same again changes nothing.",
        request=OrderInput,
        response=OrderResponse,
        problems=_BODY_ERRORS,
        response_example=examples.ORDER,
        body_example=examples.ORDER_INPUT,
    ),
    Route(
        name="getCustomer",
        method="get",
        path=_CUSTOMERS,
        summary="Get a customer",
        description="Returns a customer with balance, spending in the windows that run now, and counts. "
        "A customer who paid is known even if the merchant fed none.",
        request=CustomerRequest,
        response=CustomerResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.CUSTOMER,
    ),
    Route(
        name="putCustomer",
        method="put",
        path=_CUSTOMERS,
        summary="Feed a customer",
        description="Replaces all that the merchant said of the customer before. Balance, spending and "
        "counts stay as they are. To send the same again changes nothing. What was sent may hold even if the "
        "answer is 503: send it again.",
        request=CustomerInput,
        response=CustomerResponse,
        problems=_BODY_ERRORS,
        response_example=examples.CUSTOMER,
        body_example=examples.CUSTOMER_INPUT,
    ),
    Route(
        name="getPayment",
        method="get",
        path=_PAYMENTS,
        summary="Get a payment",
        description="Returns the whole story of a payment. Expect new codes of reasons and of anomalies.",
        request=PaymentRequest,
        response=PaymentResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.PAYMENT,
    ),
)
