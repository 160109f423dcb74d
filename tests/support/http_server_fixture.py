"""A web application that listens on a port, in the event loop of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

import pytest
from aiohttp import web

# The mark alone is not sufficient, because another fixture disables sockets first.
SOCKET_MARKS = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]
"""The marks of a module with tests that listen on a port."""


@asynccontextmanager
async def serve(runner: web.AppRunner, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """Run the application on a free port of 127.0.0.1. Yield its URL."""
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()
