"""Calls to PayNearMe's API, signed or with an access token."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import SecretStr, ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Retry

from paynearme import telling
from paynearme.access_tokens import AccessTokens
from paynearme.deadline import Deadline
from paynearme.errors import (
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    PaymentOutcomeUnknownError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
    RequestRejectedError,
    AccessTokenRejectedError,
)
from paynearme.messages import SmartTokenResponse, SmartTokenRequest
from paynearme.messages.calls import PayNearMeResponse, PayNearMeRequest
from paynearme.messages.create_order import PERSONAL, CreateOrderResponse, CreateOrderRequest
from paynearme.messages.make_payment import MakePaymentRequest, payment_named_in
from paynearme.messages.payment_methods import FindPaymentMethodsRequest, PaymentMethods
from paynearme.sending import post
from paynearme.settings import KnownSite
from paynearme.signing import sign

ATTEMPTS = 3
# Two whole attempts fit into the time that a call has; the deadline cuts off the third.
_LONGEST_ATTEMPT_SECONDS = 3.0
_LONGEST_WAIT_SECONDS = 0.5

# With less time left nobody would hear what became of a payment.
_WORTH_PAYING_SECONDS = 1.5

_BANK_AUTHORIZATION_EXPIRED = "6513"


def _anew(*, after_answers: bool) -> Retry:
    """Return how often a call is sent again: after no connection, or also after lost and bad answers."""
    return Retry(
        total=ATTEMPTS - 1,
        redirect=False,
        connect=ATTEMPTS - 1,
        read=ATTEMPTS - 1 if after_answers else 0,
        other=ATTEMPTS - 1 if after_answers else 0,
        status=ATTEMPTS - 1 if after_answers else 0,
        allowed_methods={"POST"},
        status_forcelist={429, 500, 502, 503, 504} if after_answers else set(),
        backoff_factor=0.1,
        backoff_jitter=0.2,
        backoff_max=_LONGEST_WAIT_SECONDS,
        # It may ask for more time than the caller has.
        respect_retry_after_header=False,
        raise_on_status=False,
    )


class PayNearMeClient:
    """PayNearMe's API as its operations. Each value is sent as text: what is signed is what is sent."""

    def __init__(
        self,
        base_url: str,
        tokens: AccessTokens,
        http: PoolManager | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take PayNearMe's base address, and where the tokens of sites with OAuth come from.

        Connect to nothing yet. ``clock`` gives Unix seconds.
        """
        self._base_url = base_url
        self._tokens = tokens
        self._http = http or PoolManager()
        self._clock = clock

    @telling.call()
    def get_smart_token(
        self, site: KnownSite, request: SmartTokenRequest, deadline: Deadline
    ) -> SmartTokenResponse:
        """Return the orders with new Smart Tokens (seed ``get_smart_token``).

        A token more does no harm, so the call is repeated after whatever may pass: connection errors,
        time-outs, 429 and 5xx; three attempts at most with one access token, all before the deadline.

        Raises ``RequestRejectedError``, ``UpstreamError``, ``UpstreamTimeoutError``.
        """
        content = self._ask("get_smart_token", site, request, _anew(after_answers=True), deadline)
        return _read(SmartTokenResponse, content)

    @telling.call()
    def find_payment_methods(
        self, site: KnownSite, request: FindPaymentMethodsRequest, deadline: Deadline
    ) -> PaymentMethods:
        """Return a customer's saved payment methods; repeated and raising like ``get_smart_token``."""
        content = self._ask("find_payment_methods", site, request, _anew(after_answers=True), deadline)
        return _read(PaymentMethods, content)

    @telling.call()
    def create_order(
        self, site: KnownSite, request: CreateOrderRequest, deadline: Deadline
    ) -> CreateOrderResponse:
        """Create an order and return it. Raises like ``get_smart_token``.

        It is only sent again where no connection was made: nobody says that a repeat makes no second order.
        """
        content = self._ask("create_order", site, request, _anew(after_answers=False), deadline)
        return _read(CreateOrderResponse, content)

    @telling.call()
    def make_payment(
        self,
        site: KnownSite,
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
        token = self._token(site, deadline)
        # One that was kept may be gone by now, and nobody could tell whether the payment went through it.
        self._http.clear()
        if deadline.remaining < _WORTH_PAYING_SECONDS:
            raise UpstreamConnectTimeoutError
        try:
            content = self._send(
                "make_payment", site, parameters, token, _anew(after_answers=False), deadline
            )
        except AccessTokenRejectedError as error:
            # For the next call, if there is time.
            with suppress(ServiceError):
                self._another(site, token, deadline, error)
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
        return payment_named_in(content)

    def _ask(
        self, operation: str, site: KnownSite, request: PayNearMeRequest, repeat: Retry, deadline: Deadline
    ) -> dict[str, Any]:
        """Send what may be sent twice; again with another token where the one it had is refused.

        What other processes have stored may be refused as well; where a new one is, that ends it.
        """
        token = self._token(site, deadline)
        while True:
            try:
                return self._send(operation, site, request.to_parameters(), token, repeat, deadline)
            except AccessTokenRejectedError as error:
                token = self._another(site, token, deadline, error)

    def _token(self, site: KnownSite, deadline: Deadline) -> SecretStr | None:
        return self._tokens.find(site, deadline) if site.oauth else None

    def _another(
        self, site: KnownSite, refused: SecretStr | None, deadline: Deadline, error: AccessTokenRejectedError
    ) -> SecretStr:
        """Return another token; raise ``CredentialsRejectedError`` if none would do better."""
        if refused is None:
            raise CredentialsRejectedError(error.detail) from None
        return self._tokens.find(site, deadline, refused)

    def _send(
        self,
        operation: str,
        site: KnownSite,
        parameters: Mapping[str, str],
        token: SecretStr | None,
        repeat: Retry,
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
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        if site.oauth is None or site.oauth.send_signature:
            body["signature"] = sign(body, site.api_secret.get_secret_value(), site.version)
        # The only attempt may take all the time that is left.
        longest = _LONGEST_ATTEMPT_SECONDS if repeat.read else deadline.remaining
        url, content = f"{self._base_url}/json-api/{operation}", json.dumps(body).encode()
        response = post(self._http, url, content, headers, repeat, longest, deadline)
        if token is not None and response.status != 401:
            self._tokens.accept(site)
        try:
            return _content_of(response)
        except RequestRejectedError as error:
            raise _without_personal(error, parameters) from None


def _read[M: PayNearMeResponse](model: type[M], content: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(content)
    except ValidationError:
        raise UpstreamError(f"no {model.__name__}") from None


def _content_of(response: BaseHTTPResponse) -> dict[str, Any]:
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
        raise RequestRejectedError(
            _text(content.get("response_code")), _descriptions(content.get("errors"))
        )
    if response.status != 200 or content.get("status") != "ok":
        raise UpstreamError(f"status {response.status}, neither ok nor error")
    return content


def _without_personal(error: RequestRejectedError, sent: Mapping[str, str]) -> RequestRejectedError:
    """Return the refusal without what was sent of who the customer is, should PayNearMe's words repeat it."""
    personal = {value for name, value in sent.items() if name.endswith("_pii") or name in PERSONAL}

    def hidden(text: str) -> str:
        # A name can be a part of an address.
        for value in sorted(filter(None, personal), key=len, reverse=True):
            text = text.replace(value, "(hidden)")
        return text

    code = None if error.response_code is None else hidden(error.response_code)
    return RequestRejectedError(code, [hidden(text) for text in error.descriptions])


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) else None


def _descriptions(errors: object) -> list[str]:
    """Return the texts of ``errors``, whose entries are objects with a ``description``, or plain text."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = [
        _text(entry.get("description")) if isinstance(entry, dict) else _text(entry) for entry in entries
    ]
    return [text for text in texts if text]
