"""A server that accepts connections and returns nothing, and a pool that records the end of a request."""

import socket
import threading
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager

from tests.support.paynearme_server_stub import MAX_SECONDS


class TrackingPool(PoolManager):
    """A pool that sets ``call_ended`` at the end of a request, also of a cancelled one."""

    def __init__(self) -> None:
        super().__init__()
        self.call_ended = threading.Event()

    def request(self, *arguments: Any, **options: Any) -> BaseHTTPResponse:
        """Send the request."""
        try:
            return super().request(*arguments, **options)
        finally:
            self.call_ended.set()


class SilentServer:
    """Accept requests to ``url``. The caller closes ``socket``."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def received(self) -> bytes:
        """Return all received bytes. The clients must have closed their connections."""
        self.socket.setblocking(False)
        content = b""
        while True:
            try:
                client_socket, _ = self.socket.accept()
            except BlockingIOError:
                return content
            with client_socket:
                client_socket.settimeout(MAX_SECONDS)
                while chunk := client_socket.recv(65536):
                    content += chunk
