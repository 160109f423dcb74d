"""``docs/policy.md``, ``policy.json``, ``docs/policies/`` and ``events/decision/`` agree with the code."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paynearme.policy import DecisionContext, PolicyDocument, Reason, SitePolicy, decide, read_policy
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.parsing import read_message
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import stringify_parameters

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "policy.json", *sorted((ROOT / "docs" / "policies").glob("*.json"))]
WITHOUT_EXAMPLE = {Reason.CALLBACK_QUARANTINED, Reason.STALE_TIMESTAMP}
TEXT = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")


def parse(file: Path) -> PolicyDocument:
    return read_policy(file.read_text(encoding="utf-8"))


def test_decision_reasons_have_documented_row_and_example() -> None:
    _header, _line, *rows = TEXT[TEXT.index("| reason |") :].partition("\n\n")[0].splitlines()
    assert rows == [f"| `{reason}` | {reason.decline_text or 'none'} | {reason.description} |" for reason in Reason]
    files = (ROOT / "events" / "decision").glob("*.json")
    examples = {file.stem: json.loads(file.read_text(encoding="utf-8"))["reason"] for file in files}
    assert examples == {reason: reason for reason in Reason if reason not in WITHOUT_EXAMPLE}


def test_policy_fields_described_with_valid_example() -> None:
    assert [field for field in SitePolicy.model_fields if f"\n| `{field}` |" not in TEXT] == []
    document = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0]
    assert isinstance(read_policy(document), PolicyDocument)
    assert json.loads(document)["defaults"].keys() == SitePolicy.model_fields.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_policy_samples_valid(file: Path) -> None:
    assert parse(file).defaults.version


@pytest.mark.parametrize("name", sorted(load("authorization")))
def test_starter_policy_accepts_sample_authorizations(name: str) -> None:
    message = read_message(Authorization, stringify_parameters(load("authorization")[name]))
    policy = parse(ROOT / "policy.json").for_site(message.site_identifier)
    assert decide(message, DecisionContext(), policy, datetime(2026, 11, 20, tzinfo=UTC)).accept
