"""A stack of its own that loses its files while it runs, as after a cleanup of a folder."""

import shutil
from pathlib import Path

import pytest

from sandbox.clients.verification import verify
from sandbox.stack import lifecycle
from sandbox.stack.processes import processes_of

pytestmark = pytest.mark.full


def test_stack_that_loses_files_repaired_then_stopped(tmp_path: Path) -> None:
    folder, steps = tmp_path / "stack", list[str]()
    try:
        first = lifecycle.start(folder, steps.append)
        verify(first, folder, steps.append)
        shutil.rmtree(folder / "tmp")
        second = lifecycle.start(folder, steps.append)
        verify(second, folder, steps.append)
        assert second.callback_url == first.callback_url
        assert len(processes_of(folder)) == 2
        folder.rename(tmp_path / "moved")
    finally:
        lifecycle.stop(folder)
    assert processes_of(folder) == []
