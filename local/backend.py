"""The app's backend: calls our backend API with an IAM signature, as a merchant's own code would."""

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
class Reply:
    """What the backend API answered: HTTP status, content (None if it is not JSON), and how long it took.

    ``headers`` has the answer's by their names in lower case.
    """

    status: int
    content: Any
    content_type: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)


class Backend:
    """A caller of the backend API, with an IAM user's keys."""

    def __init__(
        self,
        backend_url: str,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        patience: float = 12,
    ) -> None:
        """Take the API's address without a slash at its end, the keys that sign, and the seconds to wait."""
        self._url = backend_url
        self._signer = SigV4Auth(Credentials(access_key_id, secret_access_key), "execute-api", region)
        self._http = PoolManager(maxsize=64, retries=False, timeout=Timeout(total=patience))

    def get(self, path: str, **query: str) -> Reply:
        """Ask for ``path``, percent-encoded where it must be, with the parameters of a query, signed."""
        return self._send("GET", f"{path}?{urlencode(query)}" if query else path)

    def put(self, path: str, content: Mapping[str, Any]) -> Reply:
        """Put ``content`` as JSON at ``path``, percent-encoded where it must be, signed."""
        return self._send("PUT", path, json.dumps(content))

    def post(self, path: str, content: Mapping[str, Any], idempotency_key: str | None = None) -> Reply:
        """Send ``content`` as JSON to ``path``, signed, with an ``Idempotency-Key`` if one is given."""
        return self.post_text(path, json.dumps(content), idempotency_key)

    def post_text(self, path: str, text: str | bytes, idempotency_key: str | None = None) -> Reply:
        """Send a body as it is to ``path``, signed."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._send("POST", path, text, headers)

    def _send(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        further: Mapping[str, str] | None = None,
    ) -> Reply:
        url = f"{self._url}{path}"
        headers = {} if body is None else {"Content-Type": "application/json", **(further or {})}
        request = AWSRequest(method, url, data=body, headers=headers)
        self._signer.add_auth(request)
        started = time.perf_counter()
        answer = self._http.request(method, url, body=body, headers=dict(request.headers))
        seconds = time.perf_counter() - started
        try:
            content = json.loads(answer.data)
        except ValueError:
            content = None
        headers_back = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status, content, headers_back.get("content-type", ""), seconds, headers_back)
