"""Documents and settings agree with the code, the template and each other."""

import re
import tomllib

import pytest

from paynearme.errors import UnavailableError
from sandbox.stack.deployment import parameter_overrides
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import PARAMETERS, ROOT, of_type

CODE = re.compile(r"`([^`]+)`")
VOCABULARY = {line.partition("->")[0] for line in (ROOT / "docs/vocabulary.txt").read_text().splitlines()}


def section(document: str, title: str) -> str:
    """Return the text of a section of a document."""
    _, _, text = (ROOT / "docs" / document).read_text().partition(f"\n## {title}\n")
    return text.partition("\n## ")[0]


def column(text: str, index: int) -> list[str]:
    """Return the code spans in a column of a table."""
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return [name for row in rows for name in CODE.findall(row[index])]


def test_metrics_in_operate_document_match_code() -> None:
    documented = column(section("operate.md", "Metrics and dashboard"), 1)
    patterns = [re.compile(re.escape(name).replace("…", "[A-Z].*")) for name in documented]
    # Only the subclasses of this error are raised.
    metrics = ALL_METRIC_NAMES - {UnavailableError.metric}

    assert {name for name in metrics if not any(pattern.fullmatch(name) for pattern in patterns)} == set()
    assert {pattern.pattern for pattern in patterns if not any(map(pattern.fullmatch, metrics))} == set()


def test_runbook_has_meaning_check_and_action_of_each_alarm() -> None:
    entries = section("runbook.md", "Alarms").split("\n### ")[1:]
    names = [name for text in entries for name in re.findall(r"`(\w+)`", text.partition("\n")[0])]

    assert sorted(names) == sorted(of_type("AWS::CloudWatch::Alarm"))
    for text in entries:
        assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == ["Meaning.", "Check.", "Action."]


@pytest.mark.parametrize("environment", ["local", "dev", "prod"])
def test_samconfig_production_settings_only_in_prod(environment: str) -> None:
    overrides = parameter_overrides(environment)
    values = {name: entry["Default"] for name, entry in PARAMETERS.items()} | overrides
    is_production = [
        values["Stage"] == "prod",
        values["PayNearMeBaseUrl"] == "https://api.paynearme.com",
        values["CanaryDeployment"] == "true",
        min(int(values["PolicyDeploymentMinutes"]), int(values["PolicyBakeMinutes"])) >= 10,
    ]

    assert is_production == [environment == "prod"] * 4
    assert overrides.keys() <= PARAMETERS.keys()


def test_rejected_words_in_glossary_match_vocabulary() -> None:
    rejected = column(section("glossary.md", "Words for documents"), 2)

    assert sorted(rejected) == sorted(VOCABULARY)


def test_rejected_phrases_in_codespell_pattern_match_vocabulary() -> None:
    pattern = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["codespell"]["regex"]
    [phrases] = re.findall(r"\\b\(\?:(.*?)\)\\b", pattern)

    assert sorted(phrases.split("|")) == sorted(word for word in VOCABULARY if " " in word)


def test_test_names_short_and_without_rejected_words() -> None:
    sources = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = {name for source in sources for name in re.findall(r"^ *def (test_\w+)", source, re.MULTILINE)}

    assert {name for name in names if len(name) > 60} == set()
    assert {name for name in names if VOCABULARY & set(name.split("_"))} == set()
