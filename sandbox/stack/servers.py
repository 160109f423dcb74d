"""PayNearMe's side and the faulty endpoint as one process: ``python -m sandbox.stack.servers``."""

import asyncio
import json
import signal
from pathlib import Path

import click
from aiohttp import web

from sandbox.fake_paynearme import api
from sandbox.faults import fault_proxy

_HOST = "127.0.0.1"


async def serve(runners: dict[str, tuple[web.AppRunner, int]]) -> None:
    """Run each runner on its port until SIGTERM or SIGINT; say in one line, by name, when all listen.

    Port 0 takes a free one. Raises ``OSError`` when a port is taken.
    """
    stop_event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop_event.set)
    try:
        endpoints = []
        for name, (runner, port) in runners.items():
            await runner.setup()
            tcp_site = web.TCPSite(runner, _HOST, port)
            await tcp_site.start()
            endpoints.append(f"{name} on http://{_HOST}:{tcp_site.port}")
        click.echo(f"ready: {', '.join(endpoints)}")
        await stop_event.wait()
    finally:
        for runner, _ in runners.values():
            await runner.cleanup()


@click.command()
@click.option("--paynearme-port", type=click.IntRange(0, 65535), required=True, help="Port of PayNearMe's API.")
@click.option(
    "--sites",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help='JSON file with the sites that PayNearMe knows, under "sites".',
)
@click.option("--faults-port", type=click.IntRange(0, 65535), help="Port of the faulty endpoint.")
@click.option("--upstream", help="Address of the AWS emulator behind the faulty endpoint.")
def main(paynearme_port: int, sites: Path, faults_port: int | None, upstream: str | None) -> None:
    """Run PayNearMe's API, and the faulty endpoint if it is given a port, on 127.0.0.1 until SIGTERM."""
    if (faults_port is None) != (upstream is None):
        raise click.UsageError("--faults-port and --upstream belong together")
    site_entries = json.loads(sites.read_text(encoding="utf-8"))["sites"]
    runners = {"PayNearMe's API": (api.runner(site_entries), paynearme_port)}
    if faults_port is not None and upstream is not None:
        runners["faulty endpoint"] = (fault_proxy.runner(upstream), faults_port)
    try:
        asyncio.run(serve(runners))
    except OSError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
