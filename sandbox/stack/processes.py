"""Start, await and stop processes of this machine by their process identifiers."""

import json
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


def start_process(command: Sequence[str], environment: Mapping[str, str], log: Path, pid_file: Path) -> None:
    """Start a process that outlives this one, and add its identifier to ``pid_file``.

    ``environment`` replaces this process's environment. ``log`` receives the output.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 # programs of this project
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.append(process)
    entries = json.loads(pid_file.read_text()) if pid_file.exists() else []
    # With the creation time, because systems reuse process identifiers.
    entries.append([process.pid, psutil.Process(process.pid).create_time()])
    pid_file.write_text(json.dumps(entries))


def are_running(pid_file: Path) -> bool:
    """Return whether all processes in ``pid_file`` are running."""
    if not pid_file.exists():
        return False
    return len(_running(pid_file)) == len(json.loads(pid_file.read_text()))


def _running(pid_file: Path) -> list[psutil.Process]:
    processes: list[psutil.Process] = []
    for pid, created_at in json.loads(pid_file.read_text()):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created_at:
                processes.append(process)
    return processes


def kill_functions(pid_file: Path, function: str) -> int:
    """Kill the processes of a Lambda function, to simulate a crash, and return their count.

    ``function`` is the logical name in the template. ``pid_file`` contains the emulator, the parent process.
    """
    matching = functions_running(pid_file, function)
    for process in matching:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(matching)


def functions_running(pid_file: Path, function: str) -> set[psutil.Process]:
    """Return the processes of a Lambda function. The arguments are those of ``kill_functions``.

    Two processes with the same identifier at different times are not equal.
    """
    matching = set()
    for child in (child for process in _running(pid_file) for child in process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            if f"-{function}-" in " ".join(child.cmdline()):
                matching.add(child)
    return matching


def stop_processes(pid_file: Path) -> None:
    """Terminate the processes in ``pid_file`` and all their children. Kill them after 5 seconds."""
    if not pid_file.exists():
        return
    stopping = [member for process in _running(pid_file) for member in (*process.children(recursive=True), process)]
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
