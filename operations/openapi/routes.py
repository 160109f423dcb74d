"""The routes of the backend API, with their descriptions for callers."""

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
    ServiceError,
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
    """A method of a path. ``problems`` has one example of each error of the operation.

    The fields of ``request`` that are not in the path or the headers are in the query of a ``GET``, otherwise in the
    body. ``error_descriptions`` describes statuses with a specific meaning for this operation.
    """

    name: str
    method: str
    path: str
    summary: str
    description: str
    request: type[Message]
    response: type[BaseModel]
    problems: Sequence[ServiceError]
    response_example: Mapping[str, Any]
    body_example: Mapping[str, Any] | None = None
    header_examples: Mapping[str, str] = field(default_factory=dict)
    error_descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_path(self) -> list[str]:
        """Return the names of the parameters in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def non_body_fields(self) -> list[str]:
        """Return the names of the parameters in the path and the headers."""
        return [*self.in_path, *self.request.header_fields]


_ORDERS = "/orders/{site_identifier}/{pnm_order_identifier}"
_CUSTOMERS = "/customers/{site_identifier}/{site_customer_identifier}"
_PAYMENTS = "/payments/{site_identifier}/{pnm_payment_identifier}"

_COMMON_ERRORS = (
    MalformedRequestError(),
    ValidationFailedError({"site_identifier": "is not a configured site"}),
    UnavailableError(),
    ServiceError(),
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
    PaymentFailedError(examples.SITE_PAYMENT_IDENTIFIER, "830466818968", "1007", ["Invalid CVV"]),
    PaymentOutcomeUnknownError(examples.SITE_PAYMENT_IDENTIFIER),
)
_API_GATEWAY_UNAVAILABLE = (
    "unavailable: API Gateway received no response from the function. The status is 500, 502 or 504."
)
_ORDER_MAY_EXIST = (
    "The order can exist at PayNearMe. Search PayNearMe's portal before you retry. Or retry with the same "
    "site_order_identifier, if PayNearMe has confirmed that this creates no second order."
)

ROUTES = (
    Route(
        name="getSmartToken",
        method="post",
        path="/smart-tokens",
        summary="Get a Smart Token",
        description="Sends the request to PayNearMe, with a signature or an access token. Returns the orders with "
        "their links.",
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
        description="Creates an order at PayNearMe and records it for authorizations. An order that the merchant has "
        "already written with PUT /orders stays unchanged. Use a new site_order_identifier for each order. Send the "
        "requests for one customer sequentially, as PayNearMe's reference requires.",
        request=CreateOrderRequest,
        response=CreateOrderResponse,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS, OrderNotRecordedError("80080175585")),
        response_example=examples.CREATE_ORDER_RESPONSE,
        body_example=examples.CREATE_ORDER_REQUEST,
        error_descriptions={
            "500": f"Internal error. {_ORDER_MAY_EXIST}",
            "502": "credentials-rejected: PayNearMe created no order. "
            f"paynearme-error: PayNearMe failed or returned an invalid response. {_ORDER_MAY_EXIST}",
            "503": "order-not-recorded: the order exists at PayNearMe, and authorizations do not find it. Write it "
            "with PUT /orders. Do not create it again. unavailable: a dependency is unreachable, and this request "
            "created no order.",
            "504": f"PayNearMe did not respond in time. {_ORDER_MAY_EXIST}",
            "default": f"{_API_GATEWAY_UNAVAILABLE} {_ORDER_MAY_EXIST}",
        },
    ),
    Route(
        name="findPaymentMethods",
        method="post",
        path="/payment-methods/find",
        summary="Find a customer's saved payment methods",
        description="Requests a customer's saved payment methods from PayNearMe. Changes nothing.",
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
        description="Submits a payment to PayNearMe, once per Idempotency-Key. Retries with the same key are the same "
        "payment. After a timeout or any 5xx, retry with the same key. A rejection (422, and 409 "
        "bank-authorization-expired) belongs to the key: use a new key for another attempt. Never use a new key while "
        "the outcome of the previous one is unknown.",
        request=MakePaymentRequest,
        response=SubmittedPayment,
        problems=(*_BODY_ERRORS, *_UPSTREAM_ERRORS, *_SUBMISSION_ERRORS),
        response_example=examples.SUBMITTED_PAYMENT,
        body_example=examples.MAKE_PAYMENT_REQUEST,
        header_examples=examples.MAKE_PAYMENT_HEADERS,
        error_descriptions={
            "409": "payment-in-progress: another request with this key submits the payment. Retry with the same key "
            "after the seconds in Retry-After. bank-authorization-expired: nothing was paid. Request a Smart Token "
            "with the parameters in reconnect, let the customer connect the bank again, and then use a new key.",
            "422": "rejected-by-paynearme, payment-failed: nothing was paid, and the key stays rejected. Use a new key "
            "for another attempt. idempotency-key-reused: the key belongs to a payment with other content, and nothing "
            "was sent to PayNearMe.",
            "500": "Internal error. The outcome is unknown. Retry with the same key.",
            "502": "credentials-rejected, paynearme-error: nothing was paid. Retry with the same key.",
            "503": "A dependency is unreachable. This request sent nothing to PayNearMe. An earlier request with this "
            "key can have paid. Retry with the same key.",
            "504": "paynearme-timeout: nothing was paid. Retry with the same key. payment-outcome-unknown: retry with "
            "the same key later. Never use a new key before PayNearMe's portal shows that the payment was not paid.",
            "default": f"{_API_GATEWAY_UNAVAILABLE} The outcome is unknown. Retry with the same key.",
        },
    ),
    Route(
        name="getOrder",
        method="get",
        path=_ORDERS,
        summary="Get an order",
        description="Returns an order that PUT /orders wrote or POST /orders created.",
        request=OrderRequest,
        response=OrderResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.ORDER,
    ),
    Route(
        name="putOrder",
        method="put",
        path=_ORDERS,
        summary="Write an order",
        description="Replaces the merchant's data of the order. A repeated request with the same content changes "
        "nothing.",
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
        description="Returns a customer with the balance, the spending in the current windows, and the counts. "
        "A customer with a payment exists without a PUT.",
        request=CustomerRequest,
        response=CustomerResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.CUSTOMER,
    ),
    Route(
        name="putCustomer",
        method="put",
        path=_CUSTOMERS,
        summary="Write a customer",
        description="Replaces the merchant's data of the customer. Balance, spending and counts stay unchanged. "
        "A repeated request with the same content changes nothing. After a 503, the data can be stored: retry.",
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
        description="Returns a payment with its decision, outcome, reversals and anomalies. New codes of reasons and "
        "anomalies can appear.",
        request=PaymentRequest,
        response=PaymentResponse,
        problems=_LOOKUP_ERRORS,
        response_example=examples.PAYMENT,
    ),
)
