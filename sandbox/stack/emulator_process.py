"""The AWS emulator, with one unpacked copy of a layer for all processes of functions.

The emulator's own Python runs this file, which needs nothing but the standard library beside it. By itself
the emulator unpacks the layer anew for each process, and its threads that do so at once hinder each other:
that takes longer than all else that a process needs to start. Here they see the same files, which they
only read.
"""

import runpy
import tempfile
import threading
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

_lock = threading.Lock()


class ExtractOnceZipFile(zipfile.ZipFile):
    """An archive; what the emulator calls ``layer_0.zip`` is unpacked once for each content."""

    def _is_layer(self) -> bool:
        return self.filename is not None and Path(self.filename).name.startswith("layer_")

    def namelist(self) -> list[str]:
        """Return the members, of a layer only those at the top: what ``extractall`` makes of it."""
        names = super().namelist()
        return sorted({name.partition("/")[0] for name in names}) if self._is_layer() else names

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Unpack as ``ZipFile`` does; of a layer, link into ``path`` what was unpacked."""
        if path is None or not self._is_layer():
            super().extractall(path, members, pwd)
            return
        content = repr([(member.filename, member.CRC) for member in self.infolist()])
        extracted = Path(tempfile.gettempdir(), "layers", sha256(content.encode()).hexdigest())
        with _lock:
            if not extracted.exists():
                # Under its name only when it is whole.
                extracted.parent.mkdir(exist_ok=True)
                incomplete = Path(tempfile.mkdtemp(dir=extracted.parent))
                super().extractall(incomplete, super().namelist())
                incomplete.rename(extracted)
        for name in self.namelist():
            Path(path, name).symlink_to(extracted / name)


if __name__ == "__main__":
    zipfile.ZipFile = ExtractOnceZipFile  # type: ignore[misc] # a class is put in the place of another
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
