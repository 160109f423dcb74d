"""Packages are pinned by hash, and actions by commit."""

import re
from pathlib import Path

import pytest

from tests.support.template import ROOT

REQUIREMENTS = [*ROOT.glob("sandbox/environment/requirements/*.txt"), ROOT / "layers/shared/requirements.txt"]
WORKFLOWS = [path.read_text() for path in ROOT.glob(".github/workflows/*.yml")]
ACTIONS = [action for text in WORKFLOWS for action in re.findall(r"uses: *(\S+)", text)]


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=lambda path: path.name)
def test_packages_pinned_by_version_and_hash(requirements: Path) -> None:
    text = requirements.read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert packages
    assert not [line for line in packages if not re.match(r"[\w.\[\],-]+==\S+ .*--hash=sha256:", line)]


def test_workflow_actions_pinned_by_commit() -> None:
    assert ACTIONS
    assert not [action for action in ACTIONS if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)]
