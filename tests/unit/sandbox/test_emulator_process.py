import tempfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from sandbox.stack.emulator_process import ExtractOnceZipFile


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def extract(folder: Path, name: str, content: str) -> Path:
    """Extract a new archive to a folder next to it, like the emulator, and return the folder."""
    target = folder / name
    target.mkdir(parents=True)
    with ZipFile(folder / f"{name}.zip", "w") as archive:
        archive.writestr("python/package/module.py", content)
        archive.writestr("python/other.py", "")
    with ExtractOnceZipFile(folder / f"{name}.zip") as archive:
        for member in archive.namelist():
            assert (target / member).resolve().is_relative_to(target.resolve())
        archive.extractall(str(target))
    return target


def test_equal_layers_share_extracted_files(tmp_path: Path) -> None:
    first, second = (extract(tmp_path / process, "layer_0", "x = 1") for process in ("one", "other"))

    module = "python/package/module.py"
    assert (first / module).read_text() == "x = 1"
    assert (first / module).samefile(second / module)
    assert (second / "python/other.py").exists()


def test_function_code_extracted_for_each_process(tmp_path: Path, temporary: Path) -> None:
    first, second = (extract(tmp_path / process, "code", "x = 1") for process in ("one", "other"))

    assert not (first / "python/other.py").samefile(second / "python/other.py")
    assert list(temporary.iterdir()) == []
