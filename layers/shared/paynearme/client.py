"""Signed calls to PayNearMe's API."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from paynearme.deadline import Deadline
from paynearme.errors import (
    CredentialsRefusedError,
    PayNearMeFaultError,
    PayNearMeTimeoutError,
    RefusedByPayNearMeError,
)
from paynearme.messages import SmartTokenAnswer, SmartTokenRequest
from paynearme.settings import KnownSite
from paynearme.signing import sign

ATTEMPTS = 3
# Two whole attempts fit into the time that a call has; the deadline cuts off the third.
_LONGEST_ATTEMPT_SECONDS = 3.0
_LONGEST_WAIT_SECONDS = 0.5


class PayNearMeClient:
    """PayNearMe's API as its operations. Each value is sent as text: what is signed is what is sent."""

    def __init__(
        self, base_url: str, http: PoolManager | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Take PayNearMe's base address; connect to nothing yet. ``clock`` gives Unix seconds."""
        self._base_url = base_url
        self._http = http or PoolManager()
        self._clock = clock

    def get_smart_token(
        self, site: KnownSite, request: SmartTokenRequest, deadline: Deadline
    ) -> SmartTokenAnswer:
        """Return the orders with new Smart Tokens (seed ``get_smart_token``).

        A token more does no harm, so the call is repeated after whatever may pass: connection errors,
        time-outs, 429 and 5xx; three attempts at most, all before the deadline.

        Raises ``RefusedByPayNearMeError``, ``PayNearMeFaultError``, ``PayNearMeTimeoutError``.
        """
        repeat = Retry(
            total=ATTEMPTS - 1,
            redirect=False,
            allowed_methods={"POST"},
            status_forcelist={429, 500, 502, 503, 504},
            backoff_factor=0.1,
            backoff_jitter=0.2,
            backoff_max=_LONGEST_WAIT_SECONDS,
            # It may ask for more time than the caller has.
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        content = self._call("get_smart_token", site, request.to_parameters(), repeat, deadline)
        try:
            return SmartTokenAnswer.model_validate(content)
        except ValidationError:
            raise PayNearMeFaultError("no orders") from None

    def _call(
        self,
        operation: str,
        site: KnownSite,
        parameters: Mapping[str, str],
        repeat: Retry,
        deadline: Deadline,
    ) -> dict[str, Any]:
        """Sign and send; return the content of an ``ok``. All attempts end at the deadline."""
        if deadline.remaining <= 0:
            raise PayNearMeTimeoutError
        body = {
            **parameters,
            "site_identifier": site.identifier,
            "timestamp": str(int(self._clock())),
            "version": site.version,
        }
        body["signature"] = sign(body, site.api_secret.get_secret_value(), site.version)
        send = partial(
            self._http.request,
            "POST",
            f"{self._base_url}/json-api/{operation}",
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            timeout=Timeout(total=_LONGEST_ATTEMPT_SECONDS, connect=1.0),
            retries=repeat,
            redirect=False,
        )
        try:
            response = deadline.bound(send)
        except TimeoutError:
            raise PayNearMeTimeoutError from None
        except MaxRetryError as error:
            # urllib3 counts a refused connection and an unknown host among the time-outs.
            timed_out = isinstance(error.reason, HttpTimeoutError) and not isinstance(
                error.reason, NewConnectionError
            )
            raise (PayNearMeTimeoutError() if timed_out else PayNearMeFaultError("no connection")) from None
        except HTTPError:
            raise PayNearMeFaultError("no connection") from None
        return _content_of(response)


def _content_of(response: BaseHTTPResponse) -> dict[str, Any]:
    """Return the content of a good answer; raise what a bad one means."""
    if response.status in (401, 403):
        raise CredentialsRefusedError(f"status {response.status}")
    try:
        content = json.loads(response.data)
    except (ValueError, RecursionError):
        raise PayNearMeFaultError(f"status {response.status}, no JSON") from None
    if response.status >= 500 or response.status == 429 or not isinstance(content, dict):
        raise PayNearMeFaultError(f"status {response.status}")
    if content.get("status") == "error":
        raise RefusedByPayNearMeError(
            _text(content.get("response_code")), _descriptions(content.get("errors"))
        )
    if response.status != 200 or content.get("status") != "ok":
        raise PayNearMeFaultError(f"status {response.status}, neither ok nor error")
    return content


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) else None


def _descriptions(errors: object) -> list[str]:
    """Return the texts of ``errors``, whose entries are objects with a ``description``, or plain text."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = [
        _text(entry.get("description")) if isinstance(entry, dict) else _text(entry) for entry in entries
    ]
    return [text for text in texts if text]
