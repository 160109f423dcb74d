"""A client of the control endpoints of the fake PayNearMe and the fault proxy."""

from collections.abc import Mapping
from typing import Any

from urllib3 import PoolManager


class ControlClient:
    """A client of the control endpoints below one URL, with JSON bodies."""

    def __init__(self, url: str) -> None:
        """Create a client of the endpoints below ``url``."""
        self._url = url
        self._http = PoolManager(maxsize=64, retries=False, timeout=60)

    def post(self, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """Send a command, and return the content of the response or None. Raises ``ValueError`` for an error status."""
        response = self._http.request("POST", f"{self._url}/{path}", json=dict(content or {}))
        if response.status >= 400:
            raise ValueError(f"{path} returned status {response.status}")
        return response.json() if response.data else None

    def get(self, path: str) -> Any:
        """Return the content of ``path``."""
        return self._http.request("GET", f"{self._url}/{path}").json()

    def delete(self, path: str) -> None:
        """Delete the content of ``path``."""
        self._http.request("DELETE", f"{self._url}/{path}")
