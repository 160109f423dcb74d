"""Somebody who listens and says nothing, and connections that tell when a call of theirs has ended."""

import socket
import threading
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager

from tests.support.paynearme_server_stub import MAX_SECONDS


class TrackingPool(PoolManager):
    """Connections whose ``ended`` is set when a call has ended, also one that was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.call_ended = threading.Event()

    def request(self, *arguments: Any, **options: Any) -> BaseHTTPResponse:
        """Make the call."""
        try:
            return super().request(*arguments, **options)
        finally:
            self.call_ended.set()


class SilentServer:
    """Takes what is sent to ``url``. ``socket`` is to be closed."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def received(self) -> bytes:
        """Return all that the connections brought, which the other side must have ended by now."""
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
