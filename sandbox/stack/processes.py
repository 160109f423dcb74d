"""Start, find, await and stop the processes of a stack. An argument with the stack's folder identifies them."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import urllib3

from sandbox import ROOT

# Python warns about a running process without a reference to its object.
_started: list[subprocess.Popen[bytes]] = []


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start_process(command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path) -> None:
    """Start a process of the stack in ``folder``. It outlives this process.

    The last argument of ``command`` becomes ``--stack-folder=`` and the folder. ``environment`` replaces this process's
    environment. ``log`` receives the output.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 # programs of this project
            [*command, _marker(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.append(process)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the running processes that ``start_process`` started for ``folder``.

    The folder itself can be missing: only the arguments of the processes identify them.
    """
    marker = _marker(folder)
    return [process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or ())]


def kill_functions(folder: Path, function: str | None = None) -> int:
    """Kill the processes of a Lambda function of the stack in ``folder``, and return their count.

    ``function`` is the logical name in the template. Without it, kill the processes of all functions. The emulator
    starts a new process for the next call.
    """
    killed = 0
    for child in (child for process in processes_of(folder) for child in process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            if function is None or f"-{function}-" in " ".join(child.cmdline()):
                child.kill()
                killed += 1
    return killed


def stop_processes(folder: Path) -> None:
    """Terminate the processes of the stack in ``folder`` and all their children. Kill them after 5 seconds."""
    stopping = [item for process in processes_of(folder) for item in (*process.children(recursive=True), process)]
    for process in stopping:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(stopping, timeout=5)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    for started in _started:
        started.poll()


def _marker(folder: Path) -> str:
    return f"--stack-folder={folder}"


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a command until it ends, and write its output to ``log``.

    ``environment`` extends this process's environment, from which all AWS variables are removed. Raises
    ``subprocess.CalledProcessError`` with the output if the command fails.
    """
    completed = subprocess.run(  # noqa: S603 # programs of this project
        command,
        cwd=ROOT,
        env={**{name: value for name, value in os.environ.items() if name[:4] != "AWS_"}, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    log.write_text(completed.stdout)


def wait_until_ready(url: str, log: Path) -> None:
    """Wait until ``url`` returns any HTTP response.

    Raises ``RuntimeError`` with the end of the process's ``log`` after about one minute.
    """
    retries = urllib3.Retry(total=240, backoff_factor=0.05, backoff_max=0.25)
    try:
        with urllib3.PoolManager() as http:
            http.request("GET", url, retries=retries, timeout=5, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise RuntimeError(f"{url} does not respond:\n{log.read_text()[-2000:]}") from error
