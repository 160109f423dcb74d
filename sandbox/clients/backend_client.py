"""A client of the backend API with an IAM signature, as in a merchant's backend."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3 import PoolManager, Timeout


@dataclass(frozen=True)
class Response:
    """A response of the backend API.

    ``content`` is None if the body is not JSON. The names of ``headers`` are in lower case.
    """

    status: int
    content: Any
    content_type: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)


class BackendClient:
    """A caller of the backend API with the keys of an IAM user."""

    def __init__(
        self, backend_url: str, region: str, access_key_id: str, secret_access_key: str, timeout: float = 12
    ) -> None:
        """Create a client of the API at ``backend_url`` (without a slash at the end). ``timeout`` is in seconds."""
        self._url = backend_url
        self._signer = SigV4Auth(Credentials(access_key_id, secret_access_key), "execute-api", region)
        self._http = PoolManager(maxsize=64, retries=False, timeout=Timeout(total=timeout))

    def get(self, path: str, **query: str) -> Response:
        """Send a signed GET request. ``path`` is percent-encoded, ``query`` is not."""
        return self._send("GET", f"{path}?{urlencode(query)}" if query else path)

    def put(self, path: str, content: Mapping[str, Any]) -> Response:
        """Send a signed PUT request with ``content`` as JSON. ``path`` is percent-encoded."""
        return self._send("PUT", path, json.dumps(content))

    def post(self, path: str, content: Mapping[str, Any], idempotency_key: str | None = None) -> Response:
        """Send a signed POST request with ``content`` as JSON, and with an ``Idempotency-Key`` if it is not None."""
        return self.post_text(path, json.dumps(content), idempotency_key)

    def post_text(self, path: str, text: str | bytes, idempotency_key: str | None = None) -> Response:
        """Send a signed POST request with an unchanged body."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._send("POST", path, text, headers)

    def _send(
        self, method: str, path: str, body: str | bytes | None = None, extra_headers: Mapping[str, str] | None = None
    ) -> Response:
        url = f"{self._url}{path}"
        headers = {} if body is None else {"Content-Type": "application/json", **(extra_headers or {})}
        request = AWSRequest(method, url, data=body, headers=headers)
        self._signer.add_auth(request)
        started = time.perf_counter()
        response = self._http.request(method, url, body=body, headers=dict(request.headers))
        seconds = time.perf_counter() - started
        try:
            content = json.loads(response.data)
        except ValueError:
            content = None
        response_headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status, content, response_headers.get("content-type", ""), seconds, response_headers)
