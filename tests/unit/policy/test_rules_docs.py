"""What docs/policy.md says is what the code does."""

import json
import re
from pathlib import Path

import pytest

from paynearme.policy import PolicyDocument, Reason, SitePolicy, read_policy
from sandbox.decision_examples import load_examples

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "policy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_described(reason: Reason) -> None:
    assert f"`{reason}`" in TEXT


def test_the_reasons_of_the_rules_are_described_in_the_order_of_the_rules() -> None:
    table = TEXT.partition("| reason |")[2].partition("\n\n")[0]
    documented_reasons = [name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
    without_rule = {Reason.ACCEPTED, Reason.CONFLICTS_WITH_EARLIER, Reason.CANNOT_DECIDE_NOW}
    assert documented_reasons == [str(reason) for reason in Reason if reason not in without_rule]


@pytest.mark.parametrize("field", SitePolicy.model_fields)
def test_each_field_is_described(field: str) -> None:
    assert f"\n| `{field}` |" in TEXT


def test_the_document_with_every_field_is_valid_and_has_every_field() -> None:
    document = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0]
    assert isinstance(read_policy(document), PolicyDocument)
    assert json.loads(document)["defaults"].keys() == SitePolicy.model_fields.keys()


def test_each_reason_has_an_example() -> None:
    assert [example.reason for example in load_examples().values()] == list(Reason)
