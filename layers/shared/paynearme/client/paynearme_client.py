"""Calls to PayNearMe's API, signed or with an access token."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import SecretStr
from urllib3 import PoolManager, Retry

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.http_client import post
from paynearme.client.response_parsing import RawResponse, parse_body, parse_model, read_content, read_submission
from paynearme.errors import (
    AccessTokenRejectedError,
    CredentialsRejectedError,
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.platform.observability import count_upstream_call
from paynearme.protocol.api_call import PayNearMeRequest
from paynearme.protocol.create_order import CreateOrderRequest, CreateOrderResponse
from paynearme.protocol.make_payment import MakePaymentRequest
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.protocol.signing import sign
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from paynearme.sites.site import ResolvedSite

MAX_ATTEMPTS = 3
# A slow PayNearMe gets a second attempt within the 7 seconds of a call. The deadline ends the third attempt.
_MAX_ATTEMPT_SECONDS = 3.0
_MAX_WAIT_SECONDS = 0.5

# With less time, the caller would time out before the outcome of a payment is known.
_MIN_PAYMENT_BUDGET_SECONDS = 1.5


def _retry_policy(*, retry_responses: bool) -> Retry:
    """Return the retry policy: after a failed connection, and optionally after a lost or bad response."""
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
        # Retry-After can exceed the caller's time.
        respect_retry_after_header=False,
        raise_on_status=False,
    )


class PayNearMeClient:
    """PayNearMe's API operations. Each value is sent as text, exactly as it was signed."""

    def __init__(
        self,
        base_url: str,
        access_tokens: AccessTokens,
        http: PoolManager | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use PayNearMe's base URL and the tokens of sites with OAuth. Sends no request.

        ``clock`` returns Unix seconds.
        """
        self._base_url = base_url
        self._access_tokens = access_tokens
        self._http = http or PoolManager()
        self._clock = clock

    @count_upstream_call()
    def get_smart_token(self, site: ResolvedSite, request: SmartTokenRequest, deadline: Deadline) -> SmartTokenResponse:
        """Return the orders with new Smart Tokens (PayNearMe docs, get_smart_token).

        An additional token has no effect, so the call is retried after connection errors, timeouts, 429 and 5xx.
        It has at most three attempts with one access token, all before the deadline.

        Raises ``RequestRejectedError``, ``UpstreamError`` or ``UpstreamTimeoutError``.
        """
        content = self._call("get_smart_token", site, request, _retry_policy(retry_responses=True), deadline)
        return parse_model(SmartTokenResponse, content)

    @count_upstream_call()
    def find_payment_methods(
        self, site: ResolvedSite, request: FindPaymentMethodsRequest, deadline: Deadline
    ) -> PaymentMethods:
        """Return a customer's saved payment methods. Retries and errors are those of ``get_smart_token``."""
        content = self._call("find_payment_methods", site, request, _retry_policy(retry_responses=True), deadline)
        return parse_model(PaymentMethods, content)

    @count_upstream_call()
    def create_order(self, site: ResolvedSite, request: CreateOrderRequest, deadline: Deadline) -> CreateOrderResponse:
        """Create an order and return it. Raises the errors of ``get_smart_token``.

        Retried only after a failed connection: PayNearMe does not document that a second request creates no
        second order.
        """
        content = self._call("create_order", site, request, _retry_policy(retry_responses=False), deadline)
        return parse_model(CreateOrderResponse, content)

    @count_upstream_call()
    def make_payment(
        self, site: ResolvedSite, request: MakePaymentRequest, site_payment_identifier: str, deadline: Deadline
    ) -> str | None:
        """Submit a payment. Return PayNearMe's identifier of it, or ``None`` if the response contains none.

        The request moves money, so it is retried only after a failed connection, never after a response or a timeout.

        Raises ``PaymentFailedError`` if PayNearMe declined the payment, and ``RequestRejectedError`` if it rejected the
        request. For code 6513, both are ``BankAuthorizationExpiredError``. Raises ``RequestNotAcceptedError``,
        ``UpstreamTimeoutError`` or ``UnavailableError`` if the request had no effect, and
        ``PaymentOutcomeUnknownError`` if its effect is unknown.
        """
        parameters = request.to_parameters() | {"site_payment_identifier": site_payment_identifier}
        access_token = self._access_token(site, deadline)
        # The server can have closed a pooled connection. The effect of a request on it would be unknown.
        self._http.clear()
        if deadline.remaining < _MIN_PAYMENT_BUDGET_SECONDS:
            raise UpstreamConnectTimeoutError
        try:
            response = self._send(
                "make_payment", site, parameters, access_token, _retry_policy(retry_responses=False), deadline
            )
            return read_submission(response, request, site, site_payment_identifier)
        except AccessTokenRejectedError as error:
            # Prepares the token of the next call, if time remains.
            with suppress(ServiceError):
                self._replace_token(site, access_token, deadline, error)
            raise CredentialsRejectedError(error.detail) from None
        except (RequestNotAcceptedError, UpstreamConnectTimeoutError):
            raise
        except (UpstreamError, UpstreamTimeoutError) as error:
            raise PaymentOutcomeUnknownError(site_payment_identifier) from error

    def _call(
        self, operation: str, site: ResolvedSite, request: PayNearMeRequest, retries: Retry, deadline: Deadline
    ) -> dict[str, Any]:
        """Send a request that has no effect on money, and again with another token if a token is rejected.

        A token that another process stored can also be rejected. The rejection of a new token ends the loop.
        """
        access_token = self._access_token(site, deadline)
        while True:
            try:
                response = self._send(operation, site, request.to_parameters(), access_token, retries, deadline)
                return read_content(response, request)
            except AccessTokenRejectedError as error:
                access_token = self._replace_token(site, access_token, deadline, error)

    def _access_token(self, site: ResolvedSite, deadline: Deadline) -> SecretStr | None:
        return self._access_tokens.get(site, deadline) if site.oauth else None

    def _replace_token(
        self, site: ResolvedSite, rejected_token: SecretStr | None, deadline: Deadline, error: AccessTokenRejectedError
    ) -> SecretStr:
        """Return another token. Raises ``CredentialsRejectedError`` for a request without a token."""
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
    ) -> RawResponse:
        """Send a request, signed or with a token. Return a response that PayNearMe's application sent."""
        body = {
            **parameters,
            "site_identifier": site.identifier,
            "timestamp": str(int(self._clock())),
            "version": site.version,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token.get_secret_value()}"
        # PayNearMe authenticates a request with a bearer token by the token alone.
        if site.oauth is None or site.oauth.send_signature:
            body |= {} if site.api_key_id is None else {"api_key_id": site.api_key_id}
            body["signature"] = sign(body, site.api_secret.get_secret_value(), site.version)
        # A single attempt can take all remaining time.
        max_attempt = _MAX_ATTEMPT_SECONDS if retries.read else deadline.remaining
        url, content = f"{self._base_url}/json-api/{operation}", json.dumps(body).encode()
        response = post(self._http, url, content, headers, retries, max_attempt, deadline)
        if access_token is not None and response.status != 401:
            self._access_tokens.mark_accepted(site)
        return parse_body(response)
