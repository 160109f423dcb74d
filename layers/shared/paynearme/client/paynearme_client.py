"""Calls to PayNearMe's API, signed or with an access token."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import SecretStr, ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Retry

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.http_client import post
from paynearme.errors import (
    AccessTokenRejectedError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    RequestRejectedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.platform.observability import count_upstream_call
from paynearme.protocol.api_call import PayNearMeRequest, PayNearMeResponse
from paynearme.protocol.create_order import PII_FIELDS, CreateOrderRequest, CreateOrderResponse
from paynearme.protocol.make_payment import MakePaymentRequest, extract_payment_identifier
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.protocol.signing import sign
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from paynearme.sites.site import ResolvedSite

MAX_ATTEMPTS = 3
# Two whole attempts fit into the time that a call has; the deadline cuts off the third.
_MAX_ATTEMPT_SECONDS = 3.0
_MAX_WAIT_SECONDS = 0.5

# With less time left nobody would hear what became of a payment.
_MIN_PAYMENT_BUDGET_SECONDS = 1.5

_BANK_AUTHORIZATION_EXPIRED = "6513"


def _retry_policy(*, retry_responses: bool) -> Retry:
    """Return how often a call is sent again: after no connection, or also after lost and bad answers."""
    return Retry(
        total=MAX_ATTEMPTS - 1,
        redirect=False,
        connect=MAX_ATTEMPTS - 1,
        read=MAX_ATTEMPTS - 1 if retry_responses else 0,
        other=MAX_ATTEMPTS - 1 if retry_responses else 0,
        status=MAX_ATTEMPTS - 1 if retry_responses else 0,
        allowed_methods={"POST"},
        status_forcelist={429, 500, 502, 503, 504} if retry_responses else set(),
        backoff_factor=0.1,
        backoff_jitter=0.2,
        backoff_max=_MAX_WAIT_SECONDS,
        # It may ask for more time than the caller has.
        respect_retry_after_header=False,
        raise_on_status=False,
    )


class PayNearMeClient:
    """PayNearMe's API as its operations. Each value is sent as text: what is signed is what is sent."""

    def __init__(
        self,
        base_url: str,
        access_tokens: AccessTokens,
        http: PoolManager | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take PayNearMe's base address, and where the tokens of sites with OAuth come from.

        Connect to nothing yet. ``clock`` gives Unix seconds.
        """
        self._base_url = base_url
        self._access_tokens = access_tokens
        self._http = http or PoolManager()
        self._clock = clock

    @count_upstream_call()
    def get_smart_token(self, site: ResolvedSite, request: SmartTokenRequest, deadline: Deadline) -> SmartTokenResponse:
        """Return the orders with new Smart Tokens (seed ``get_smart_token``).

        A token more does no harm, so the call is repeated after whatever may pass: connection errors,
        time-outs, 429 and 5xx; three attempts at most with one access token, all before the deadline.

        Raises ``RequestRejectedError``, ``UpstreamError``, ``UpstreamTimeoutError``.
        """
        content = self._call("get_smart_token", site, request, _retry_policy(retry_responses=True), deadline)
        return _parse_response(SmartTokenResponse, content)

    @count_upstream_call()
    def find_payment_methods(
        self, site: ResolvedSite, request: FindPaymentMethodsRequest, deadline: Deadline
    ) -> PaymentMethods:
        """Return a customer's saved payment methods; repeated and raising like ``get_smart_token``."""
        content = self._call("find_payment_methods", site, request, _retry_policy(retry_responses=True), deadline)
        return _parse_response(PaymentMethods, content)

    @count_upstream_call()
    def create_order(self, site: ResolvedSite, request: CreateOrderRequest, deadline: Deadline) -> CreateOrderResponse:
        """Create an order and return it. Raises like ``get_smart_token``.

        It is only sent again where no connection was made: nobody says that a repeat makes no second order.
        """
        content = self._call("create_order", site, request, _retry_policy(retry_responses=False), deadline)
        return _parse_response(CreateOrderResponse, content)

    @count_upstream_call()
    def make_payment(
        self,
        site: ResolvedSite,
        request: MakePaymentRequest,
        site_payment_identifier: str,
        deadline: Deadline,
    ) -> str | None:
        """Make a payment; return PayNearMe's identifier of it, None if the answer names none.

        It moves money and is never sent twice: not after an answer, whatever it says, and not after a
        time-out. It is sent again only where no connection was made.

        Raises ``RequestRejectedError`` (``BankAuthorizationExpiredError`` for code 6513) where
        PayNearMe said no; ``RequestNotAcceptedError``, ``UpstreamTimeoutError`` and ``UnavailableError`` where
        nothing was asked; ``PaymentOutcomeUnknownError`` where nobody can tell.
        """
        parameters = request.to_parameters() | {"site_payment_identifier": site_payment_identifier}
        access_token = self._access_token(site, deadline)
        # One that was kept may be gone by now, and nobody could tell whether the payment went through it.
        self._http.clear()
        if deadline.remaining < _MIN_PAYMENT_BUDGET_SECONDS:
            raise UpstreamConnectTimeoutError
        try:
            content = self._send(
                "make_payment", site, parameters, access_token, _retry_policy(retry_responses=False), deadline
            )
        except AccessTokenRejectedError as error:
            # For the next call, if there is time.
            with suppress(ServiceError):
                self._replace_token(site, access_token, deadline, error)
            raise CredentialsRejectedError(error.detail) from None
        except RequestRejectedError as error:
            if error.response_code != _BANK_AUTHORIZATION_EXPIRED:
                raise
            raise BankAuthorizationExpiredError(
                error.response_code,
                error.descriptions,
                request.payment_method_identifier,
                request.pnm_order_identifier,
                site.identifier,
            ) from None
        except (RequestNotAcceptedError, UpstreamConnectTimeoutError):
            raise
        except (UpstreamError, UpstreamTimeoutError) as error:
            raise PaymentOutcomeUnknownError(site_payment_identifier) from error
        return extract_payment_identifier(content)

    def _call(
        self,
        operation: str,
        site: ResolvedSite,
        request: PayNearMeRequest,
        retries: Retry,
        deadline: Deadline,
    ) -> dict[str, Any]:
        """Send what may be sent twice; again with another token where the one it had is refused.

        What other processes have stored may be refused as well; where a new one is, that ends it.
        """
        access_token = self._access_token(site, deadline)
        while True:
            try:
                return self._send(operation, site, request.to_parameters(), access_token, retries, deadline)
            except AccessTokenRejectedError as error:
                access_token = self._replace_token(site, access_token, deadline, error)

    def _access_token(self, site: ResolvedSite, deadline: Deadline) -> SecretStr | None:
        return self._access_tokens.get(site, deadline) if site.oauth else None

    def _replace_token(
        self,
        site: ResolvedSite,
        rejected_token: SecretStr | None,
        deadline: Deadline,
        error: AccessTokenRejectedError,
    ) -> SecretStr:
        """Return another token; raise ``CredentialsRejectedError`` if none would do better."""
        if rejected_token is None:
            raise CredentialsRejectedError(error.detail) from None
        return self._access_tokens.get(site, deadline, rejected_token)

    def _send(
        self,
        operation: str,
        site: ResolvedSite,
        parameters: Mapping[str, str],
        access_token: SecretStr | None,
        retries: Retry,
        deadline: Deadline,
    ) -> dict[str, Any]:
        """Send, signed or with a token; return the content of an ``ok``. All attempts end at the deadline."""
        body = {
            **parameters,
            "site_identifier": site.identifier,
            "timestamp": str(int(self._clock())),
            "version": site.version,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token.get_secret_value()}"
        if site.oauth is None or site.oauth.send_signature:
            body["signature"] = sign(body, site.api_secret.get_secret_value(), site.version)
        # The only attempt may take all the time that is left.
        max_attempt = _MAX_ATTEMPT_SECONDS if retries.read else deadline.remaining
        url, content = f"{self._base_url}/json-api/{operation}", json.dumps(body).encode()
        response = post(self._http, url, content, headers, retries, max_attempt, deadline)
        if access_token is not None and response.status != 401:
            self._access_tokens.mark_accepted(site)
        try:
            return _parse_body(response)
        except RequestRejectedError as error:
            raise _redact_pii(error, parameters) from None


def _parse_response[M: PayNearMeResponse](model: type[M], content: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(content)
    except ValidationError:
        raise UpstreamError(f"no {model.__name__}") from None


def _parse_body(response: BaseHTTPResponse) -> dict[str, Any]:
    """Return the content of a good answer; raise what a bad one means."""
    if response.status == 401:
        raise AccessTokenRejectedError("status 401")
    if response.status == 403:
        raise CredentialsRejectedError("status 403")
    if response.status == 429:
        raise RequestNotAcceptedError("status 429")
    try:
        content = json.loads(response.data)
    except (ValueError, RecursionError):
        raise UpstreamError(f"status {response.status}, no JSON") from None
    if response.status >= 500 or not isinstance(content, dict):
        raise UpstreamError(f"status {response.status}")
    if content.get("status") == "error":
        raise RequestRejectedError(_as_text(content.get("response_code")), _descriptions(content.get("errors")))
    if response.status != 200 or content.get("status") != "ok":
        raise UpstreamError(f"status {response.status}, neither ok nor error")
    return content


def _redact_pii(error: RequestRejectedError, request_parameters: Mapping[str, str]) -> RequestRejectedError:
    """Return the refusal without what was sent of who the customer is, should PayNearMe's words repeat it."""
    pii_values = {value for name, value in request_parameters.items() if name.endswith("_pii") or name in PII_FIELDS}

    def redact(text: str) -> str:
        # A name can be a part of an address.
        for value in sorted(filter(None, pii_values), key=len, reverse=True):
            text = text.replace(value, "(hidden)")
        return text

    code = None if error.response_code is None else redact(error.response_code)
    return RequestRejectedError(code, [redact(text) for text in error.descriptions])


def _as_text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) else None


def _descriptions(errors: object) -> list[str]:
    """Return the texts of ``errors``, whose entries are objects with a ``description``, or plain text."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = [_as_text(entry.get("description")) if isinstance(entry, dict) else _as_text(entry) for entry in entries]
    return [text for text in texts if text]
