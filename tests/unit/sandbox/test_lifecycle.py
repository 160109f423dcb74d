from pathlib import Path

import pytest

from sandbox.stack.lifecycle import stop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "aws.log").write_text("emulator")
    (folder / "stack.json").write_text('{"secret_access_key": "s"}')
    return folder


def test_stop_copies_the_logs_to_the_log_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_dir = tmp_path / "uploads" / "logs"
    monkeypatch.setenv("STACK_LOG_DIR", str(log_dir))

    stop(folder)
    stop(folder)

    assert [(path.name, path.read_text()) for path in log_dir.iterdir()] == [("aws.log", "emulator")]
    assert not folder.exists()


@pytest.mark.parametrize("value", [None, ""])
def test_stop_without_a_log_folder_removes_the_logs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("STACK_LOG_DIR", raising=False)
    else:
        monkeypatch.setenv("STACK_LOG_DIR", value)

    stop(folder)

    assert list(tmp_path.iterdir()) == []
