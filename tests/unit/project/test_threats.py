"""Each threat names an existing test, or states the reason for its absence."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.template import ROOT

LIST = (ROOT / "docs/threats.md").read_text()
THREATS: dict[str, str] = dict(re.findall(r"^### (.+)\n((?:(?!^#).*\n)*)", LIST, re.MULTILINE))
TEST = re.compile(r"`(tests/[^`]*)`")
NO_TEST = re.compile(r"^No test: \S.*", re.MULTILINE)


@cache
def defined_in(path: Path) -> frozenset[str]:
    """Return the names of a file's tests in pytest's format, without file and parameters."""
    if not path.is_file():
        return frozenset()
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


def test_threat_list_not_empty_and_titles_unique() -> None:
    titles = re.findall(r"^### (.+)$", LIST, re.MULTILINE)
    assert titles
    assert sorted(titles) == sorted(THREATS)


@pytest.mark.parametrize("threat", THREATS)
def test_threat_has_test_or_reason_for_absence(threat: str) -> None:
    assert TEST.search(THREATS[threat]) or NO_TEST.search(THREATS[threat])


@pytest.mark.parametrize("test_name", sorted(set(TEST.findall(LIST))))
def test_threat_test_reference_exists(test_name: str) -> None:
    path, _, name = test_name.partition("::")
    assert name in defined_in(ROOT / path)
