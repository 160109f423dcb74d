"""A web application that listens on a port, in the event loop of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serve(runner: web.AppRunner) -> AsyncIterator[str]:
    """Run the application on a free port of 127.0.0.1. Yield its URL."""
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()
