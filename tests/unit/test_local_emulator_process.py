import tempfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from local.emulator_process import UnpackedOnce


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def unpacked(folder: Path, name: str, content: str) -> Path:
    """Return where an archive was unpacked as the emulator does it: into a folder beside it."""
    into = folder / name
    into.mkdir(parents=True)
    with ZipFile(folder / f"{name}.zip", "w") as archive:
        archive.writestr("python/package/module.py", content)
        archive.writestr("python/other.py", "")
    with UnpackedOnce(folder / f"{name}.zip") as archive:
        for member in archive.namelist():
            assert (into / member).resolve().is_relative_to(into.resolve())
        archive.extractall(str(into))
    return into


def test_equal_layers_are_the_same_files(tmp_path: Path) -> None:
    one, other = (unpacked(tmp_path / process, "layer_0", "x = 1") for process in ("one", "other"))

    module = "python/package/module.py"
    assert (one / module).read_text() == "x = 1"
    assert (one / module).samefile(other / module)
    assert (other / "python/other.py").exists()


def test_different_layers_are_different_files(tmp_path: Path) -> None:
    texts = [
        (unpacked(tmp_path / text, "layer_0", text) / "python/package/module.py").read_text() for text in "12"
    ]

    assert texts == ["1", "2"]


def test_a_functions_own_code_is_unpacked_for_each_process(tmp_path: Path, temporary: Path) -> None:
    one, other = (unpacked(tmp_path / process, "code", "x = 1") for process in ("one", "other"))

    assert not (one / "python/other.py").samefile(other / "python/other.py")
    assert list(temporary.iterdir()) == []


def test_removing_what_one_process_saw_leaves_the_others(tmp_path: Path) -> None:
    one, other = (unpacked(tmp_path / process, "layer_0", "x = 1") for process in ("one", "other"))

    (one / "python").unlink()

    assert (other / "python/package/module.py").read_text() == "x = 1"
