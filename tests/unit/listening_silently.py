"""Somebody who listens and says nothing, and connections that tell when a call of theirs has ended."""

import socket
import threading
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager

from tests.unit.listening_paynearme import LONGEST_SECONDS


class Watched(PoolManager):
    """Connections whose ``ended`` is set when a call has ended, also one that was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def request(self, *arguments: Any, **options: Any) -> BaseHTTPResponse:
        """Make the call."""
        try:
            return super().request(*arguments, **options)
        finally:
            self.ended.set()


class Silent:
    """Takes what is sent to ``url``. ``socket`` is to be closed."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def received(self) -> bytes:
        """Return all that the connections brought, which the other side must have ended by now."""
        self.socket.setblocking(False)
        brought = b""
        while True:
            try:
                connected, _ = self.socket.accept()
            except BlockingIOError:
                return brought
            with connected:
                connected.settimeout(LONGEST_SECONDS)
                while some := connected.recv(65536):
                    brought += some
