"""The metrics that the code counts, read from the code itself: no list that somebody has to keep."""

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from paynearme import errors, telling
from paynearme.errors import ServiceError
from paynearme.messages import Outcome, ReversalKind
from paynearme.payments import Anomaly, Authorized, Confirmed, Reversed
from paynearme.policy import Decision, Reason
from tests.template import ROOT

SOURCES = [*(ROOT / "layers/shared/paynearme").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
_NAME = re.compile(r"[A-Z][A-Za-z]+")
_TELLING = {"count", "share", "add_metric"}


def _spoken(path: Path) -> Iterator[str]:
    """Yield the names that a file hands to whatever counts, itself or by a function of its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _counts(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in _TELLING | own:
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (str(v.value) for v in values if isinstance(v, ast.Constant))


def _counts(function: ast.FunctionDef) -> bool:
    """Return whether a function counts under a name that it is given."""
    given = {argument.arg for argument in function.args.args}
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _called(node) == "count"]
    return any(isinstance(value, ast.Name) and value.id in given for call in calls for value in call.args)


def _called(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def _of_results() -> Iterator[str]:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    every = frozenset(Anomaly)
    for reason in Reason:
        accept = reason is Reason.ACCEPTED
        decision = Decision(accept, reason, None if accept else "No", "")
        for repeated in (True, False):
            yield from Authorized(decision, at, "", repeated, every).counts
    for outcome in Outcome:
        for repeated in (True, False):
            yield from Confirmed(outcome, repeated, every, Decimal(0)).counts
    for kind in ReversalKind:
        for repeated in (True, False):
            yield from Reversed(kind, repeated, every).counts


def _of_errors() -> Iterator[str]:
    kinds: list[Any] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    for kind in kinds:
        if issubclass(kind, ServiceError) and kind is not ServiceError:
            # Only what kind it is decides.
            yield telling.name_of(kind.__new__(kind)) or ""
    yield telling.name_of(Exception()) or ""
    yield from (telling.ANSWERED, *(name for _, name in telling.CAME_TO))


COUNTED: frozenset[str] = frozenset(
    name
    for name in (*(n for path in SOURCES for n in _spoken(path)), *_of_results(), *_of_errors())
    if _NAME.fullmatch(name)
)
"""All names of metrics in the namespace PayNearMe."""
