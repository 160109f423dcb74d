import operator
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from sandbox.stack.processes import kill_functions, processes_of, start_process, stop_processes

# Prints a line when the process of a function runs, and waits for its end.
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', 'x-AuthorizeFunction-1'])\n"
    "print('started', flush=True)\n"
    "child.wait()\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield two folders, of which the first one's path is the start of the other's. Stop their processes after."""
    folders = (tmp_path / "stack", tmp_path / "stack2")
    for folder in folders:
        folder.mkdir()
        start_process([sys.executable, "-c", PARENT], os.environ, folder / "log", folder)
    retrying = Retrying(retry=retry_if_result(operator.not_), wait=wait_fixed(0.02), stop=stop_after_delay(60))
    retrying(lambda: all((folder / "log").read_text() for folder in folders))
    yield folders
    for folder in folders:
        stop_processes(folder)


def children_of(folder: Path) -> list[psutil.Process]:
    return [child for process in processes_of(folder) for child in process.children()]


def test_stop_processes_without_folder_ends_only_own_stack(folders: tuple[Path, Path]) -> None:
    stopped, other = folders
    processes = [*processes_of(stopped), *children_of(stopped)]
    assert len(processes) == 2
    shutil.move(stopped, stopped.with_name("moved"))

    stop_processes(stopped)

    assert [process.is_running() for process in processes] == [False, False]
    assert processes_of(stopped) == []
    assert len(processes_of(other)) == len(children_of(other)) == 1


def test_kill_functions_ends_processes_of_named_function(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    (child,) = children_of(folder)
    assert kill_functions(folder, "ConfirmFunction") == 0
    assert kill_functions(folder, "AuthorizeFunction") == 1
    child.wait(timeout=10)
    assert len(processes_of(folder)) == 1
