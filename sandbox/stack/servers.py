"""Run the fake PayNearMe and the fault proxy in one process: ``python -m sandbox.stack.servers``."""

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
    """Run each named runner on its port until SIGTERM or SIGINT. Print one line when all servers are ready.

    Port 0 selects a free port. Raises ``OSError`` if a port is in use.
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
@click.option("--paynearme-port", type=click.IntRange(0, 65535), required=True, help="Port of the fake PayNearMe.")
@click.option(
    "--stack-folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help='Folder with sites.json: the sites of the fake PayNearMe, under "sites".',
)
@click.option("--faults-port", type=click.IntRange(0, 65535), help="Port of the fault proxy.")
@click.option("--upstream", help="URL of the AWS emulator behind the fault proxy.")
def main(paynearme_port: int, stack_folder: Path, faults_port: int | None, upstream: str | None) -> None:
    """Run the fake PayNearMe and, with a port for it, the fault proxy on 127.0.0.1 until SIGTERM."""
    if (faults_port is None) != (upstream is None):
        raise click.UsageError("--faults-port and --upstream belong together")
    site_entries = json.loads((stack_folder / "sites.json").read_text(encoding="utf-8"))["sites"]
    runners = {"fake PayNearMe": (api.runner(site_entries), paynearme_port)}
    if faults_port is not None and upstream is not None:
        runners["fault proxy"] = (fault_proxy.runner(upstream), faults_port)
    try:
        asyncio.run(serve(runners))
    except OSError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
