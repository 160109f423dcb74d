"""The layer's arrows, as the design draws them: who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAYER = ROOT / "layers" / "shared" / "paynearme"
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def imported_by(path: Path) -> Iterator[str]:
    """Yield the full names of the modules, and of the names in them, that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: arrows could not be read"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_of(module: str) -> list[Path]:
    """Return the files of a module of the layer, or of a package of it."""
    package = LAYER / module
    return sorted(package.glob("*.py")) if package.is_dir() else [LAYER / f"{module}.py"]


def name_of(path: Path) -> str:
    """Return the module, or the package, that a file of the layer belongs to."""
    return path.relative_to(LAYER).parts[0].removesuffix(".py")


def modules() -> list[str]:
    return sorted({name_of(path) for path in LAYER.rglob("*.py")} - {"__init__"})


def packages_used_by(module: str) -> set[str]:
    """Return the top-level packages that a module of the layer imports."""
    return {name.split(".")[0] for path in files_of(module) for name in imported_by(path)}


def project_modules_used_by(module: str) -> set[str]:
    """Return the other modules of the layer that a module imports by itself."""
    names = [name.split(".") for path in files_of(module) for name in imported_by(path)]
    return {parts[1] for parts in names if parts[0] == "paynearme"} - {module}


def transitive_modules(module: str) -> set[str]:
    """Return a module and all modules of the layer that it brings along."""
    visited: set[str] = set()
    pending = {module}
    while pending:
        visited |= pending
        pending = {other for name in pending for other in project_modules_used_by(name)} - visited
    return visited


def test_the_imports_of_the_layer_are_seen() -> None:
    assert {"signing", "messages", "policy", "gateway", "ledger", "client"} <= set(modules())
    assert {"errors", "signing", "messages", "deadline", "settings"} <= project_modules_used_by("client")
    assert "table" in transitive_modules("ledger")
    assert "boto3" in packages_used_by("table")
    assert all(path.is_file() for module in modules() for path in files_of(module))


# functions -> gateway, certification, invocations, making, publishing, watching -> ledger, client, event_bus,
# policies, answers -> intents, policy, messages, signing -> errors.
# aws, deadline and telemetry are leaves.
ALLOWED: dict[str, set[str]] = {
    "gateway": {
        "answers",
        "deadline",
        "errors",
        "messages",
        "parameters",
        "settings",
        "signing",
        "telemetry",
        "telling",
    },
    "making": {
        "client",
        "deadline",
        "errors",
        "intents",
        "ledger",
        "messages",
        "settings",
        "table",
        "telemetry",
    },
    "publishing": {
        "aws",
        "deadline",
        "errors",
        "event_bus",
        "ledger",
        "messages",
        "table",
        "telemetry",
    },
    "watching": {"aws", "deadline", "ledger", "settings", "telemetry"},
    "invocations": {"errors", "telemetry", "telling"},
    "event_bus": {"aws", "deadline", "errors", "messages", "telemetry"},
    "certification": {"answers", "deadline", "messages", "telemetry"},
    "ledger": {"deadline", "errors", "intents", "messages", "payments", "policy", "table"},
    "client": {
        "access_tokens",
        "deadline",
        "errors",
        "messages",
        "sending",
        "settings",
        "signing",
        "telling",
    },
    "access_tokens": {"aws", "deadline", "errors", "settings", "table", "token_address"},
    "token_address": {"deadline", "errors", "sending", "settings"},
    "sending": {"deadline", "errors"},
    "policies": {"aws", "deadline", "errors", "policy", "settings", "telemetry"},
    "settings": {"aws", "deadline", "errors"},
    "table": {"aws", "deadline", "errors"},
    "intents": {"messages"},
    "payments": {"policy", "messages", "errors"},
    "policy": {"messages", "errors"},
    "answers": {"messages", "errors"},
    "parameters": {"errors"},
    "messages": {"errors", "signing"},
    "signing": {"errors"},
    "telling": {"errors", "messages", "telemetry"},
    "telemetry": set(),
    "deadline": set(),
    "aws": set(),
    "errors": set(),
}


# Inside the package: rules -> document, knowledge -> texts, calendar -> reasons.
ALLOWED_IN_POLICY: dict[str, set[str]] = {
    "rules": {"calendar", "document", "knowledge", "reasons", "texts"},
    "document": {"calendar", "reasons", "texts"},
    "knowledge": {"calendar"},
    "texts": {"reasons"},
    "calendar": set(),
    "reasons": set(),
}


def test_every_module_has_its_arrows() -> None:
    assert set(ALLOWED) == set(modules())


@pytest.mark.parametrize(("module", "allowed"), ALLOWED.items())
def test_a_module_imports_only_what_stands_below_it(module: str, allowed: set[str]) -> None:
    assert project_modules_used_by(module) <= allowed


def test_every_module_of_policy_has_its_arrows() -> None:
    assert {path.stem for path in files_of("policy")} == ALLOWED_IN_POLICY.keys() | {"__init__"}


@pytest.mark.parametrize(("module", "allowed"), ALLOWED_IN_POLICY.items())
def test_a_module_of_policy_imports_only_what_stands_below_it(module: str, allowed: set[str]) -> None:
    names = [name.split(".") for name in imported_by(LAYER / "policy" / f"{module}.py")]
    assert {parts[2] for parts in names if parts[:2] == ["paynearme", "policy"]} <= allowed


def test_policy_asks_neither_the_clock_nor_the_machine() -> None:
    assert not {"os", "time", "random", "secrets", "socket", "logging"} & packages_used_by("policy")
    for path in files_of("policy"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        public_modules = {node.func.attr for node in nodes if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
        assert not {"now", "today", "utcnow"} & public_modules, path


@pytest.mark.parametrize("module", modules())
def test_no_module_is_brought_along_by_what_it_imports(module: str) -> None:
    assert all(module not in transitive_modules(other) for other in project_modules_used_by(module))


@pytest.mark.parametrize("module", ["signing", "messages", "policy", "errors", "payments", "intents"])
def test_the_domain_knows_no_aws(module: str) -> None:
    aws = {"boto3", "botocore", "aws_lambda_powertools", "s3transfer"}
    assert not aws & {package for other in transitive_modules(module) for package in packages_used_by(other)}


@pytest.mark.parametrize("module", modules())
def test_the_layer_imports_neither_the_functions_nor_the_tools_around_them(module: str) -> None:
    assert not {"functions", "operations", "local", "tests"} & packages_used_by(module)


def test_aws_is_called_from_five_places_and_its_errors_are_read_in_five() -> None:
    callers = {module for module in modules() if "boto3" in packages_used_by(module)}
    assert callers == {"access_tokens", "event_bus", "policies", "settings", "table"}
    readers = {module for module in modules() if "botocore" in packages_used_by(module)}
    assert readers == {"access_tokens", "event_bus", "settings", "table", "aws"}


def test_no_function_imports_another_function_or_calls_aws_itself() -> None:
    for path in (ROOT / "functions").rglob("*.py"):
        packages = {name.split(".")[0] for name in imported_by(path)}
        forbidden = {"functions", "operations", "local", "tests", "boto3", "botocore", "urllib3"}
        assert not forbidden & packages, path


@pytest.mark.parametrize("folder", ["layers", "functions", "operations", "local", "tests"])
def test_files_are_named_by_words_of_the_field(folder: str) -> None:
    paths = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]
    for path in paths:
        words = {word for part in path.with_suffix("").parts for word in part.split("_")}
        assert not words & FORBIDDEN_NAMES, path
