"""The control addresses of the servers of ``local``, as a test or a story uses them."""

from collections.abc import Mapping
from typing import Any

from urllib3 import PoolManager


class ControlClient:
    """The control addresses of a server of ``local``: JSON in, JSON out."""

    def __init__(self, url: str) -> None:
        """Take the address in front of the control paths."""
        self._url = url
        self._http = PoolManager(maxsize=64, retries=False, timeout=60)

    def post(self, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """Send a command; return what it answers, None for nothing. Raises ``ValueError`` if refused."""
        response = self._http.request("POST", f"{self._url}/{path}", json=dict(content or {}))
        if response.status >= 400:
            raise ValueError(f"{path} answered {response.status}")
        return response.json() if response.data else None

    def get(self, path: str) -> Any:
        """Return what is known under ``path``."""
        return self._http.request("GET", f"{self._url}/{path}").json()

    def delete(self, path: str) -> None:
        """Forget what is known under ``path``."""
        self._http.request("DELETE", f"{self._url}/{path}")
