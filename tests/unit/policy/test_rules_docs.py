"""``docs/policy.md`` describes each reason and each field."""

import json
import re
from pathlib import Path

import pytest

from paynearme.policy import PolicyDocument, Reason, SitePolicy, read_policy

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = DOCS.parent / "events" / "decision"
TEXT = (DOCS / "policy.md").read_text(encoding="utf-8")


def test_decision_reasons_have_documented_row_and_example() -> None:
    _header, _line, *rows = TEXT[TEXT.index("| reason |") :].partition("\n\n")[0].splitlines()
    assert rows == [f"| `{reason}` | {reason.decline_text or 'none'} | {reason.description} |" for reason in Reason]
    examples = {file.stem: json.loads(file.read_text(encoding="utf-8"))["reason"] for file in EXAMPLES.glob("*.json")}
    assert examples == {reason: reason for reason in Reason}


@pytest.mark.parametrize("field", SitePolicy.model_fields)
def test_policy_fields_described_in_document(field: str) -> None:
    assert f"\n| `{field}` |" in TEXT


def test_documented_policy_example_valid_and_has_all_fields() -> None:
    document = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0]
    assert isinstance(read_policy(document), PolicyDocument)
    assert json.loads(document)["defaults"].keys() == SitePolicy.model_fields.keys()
