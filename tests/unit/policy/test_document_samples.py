"""The documents ``policy.json`` and ``docs/policies/``."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from paynearme.policy import DecisionContext, PolicyDocument, Reason, WindowKind, decide, read_policy
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.parsing import read_message
from sandbox.fake_paynearme.messages import stringify_parameters
from tests.support.samples import load_sample, sample_names

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "policy.json", *sorted((ROOT / "docs" / "policies").glob("*.json"))]


def parse(file: Path) -> PolicyDocument:
    return read_policy(file.read_bytes().decode())


def example(name: str) -> PolicyDocument:
    return parse(ROOT / "docs" / "policies" / f"{name}.json")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_policy_samples_valid(file: Path) -> None:
    assert parse(file).defaults.version


@pytest.mark.parametrize("name", sample_names("authorization"))
def test_starter_policy_accepts_sample_authorizations(name: str) -> None:
    message = read_message(Authorization, stringify_parameters(load_sample("authorization", name)))
    policy = parse(ROOT / "policy.json").for_site(message.site_identifier)

    decision = decide(message, DecisionContext(), policy, datetime(2026, 11, 20, tzinfo=UTC))

    assert (decision.accept, decision.reason) == (True, Reason.ACCEPTED)


def test_gaming_operator_policy_has_typed_and_untyped_limits() -> None:
    policy = example("gaming_operator").defaults

    assert policy.unknown_customer == "decline"
    assert {WindowKind.DAY, WindowKind.WEEK, WindowKind.MONTH} == {limit.window for limit in policy.spending_limits}
    assert {limit.payment_types is None for limit in policy.spending_limits} == {True, False}


def test_lender_policy_agent_channel_declines_unknown_order() -> None:
    policy = example("lender").defaults

    assert policy.unknown_order == "decline"
    assert policy.channels is not None
    assert "agent_recurring" in policy.channels
    assert policy.subchannels is not None
    assert {"scheduled_one_time", "scheduled_recurring"} <= policy.subchannels


@pytest.mark.parametrize("name", ["gaming_operator", "lender"])
def test_policy_samples_receipt_has_both_placeholder_kinds(name: str) -> None:
    receipt = example(name).defaults.text(Reason.ACCEPTED).receipt

    assert "<pnm_payment />" in receipt
    assert "{order}" in receipt
