import json
from pathlib import Path
from typing import Any

import pytest

from operations.errors import OperationError
from paynearme.policy import SitePolicy, read_policy
from sandbox.stack import policy
from sandbox.stack.policy import deploy_local_policy, local_policy, policy_of
from sandbox.stack.sites import GAMING_SITE, LENDER_SITE, SAMPLE_SITES, new_sites
from tests.support.fake_appconfig import FakeAppConfig

ROOT = Path(__file__).parents[3]


def policy_content(policy: SitePolicy) -> dict[str, Any]:
    """Return the content of a policy without its version."""
    return policy.model_dump()


def defaults_of(path: str) -> dict[str, Any]:
    return policy_content(read_policy((ROOT / path).read_text(encoding="utf-8")).defaults)


def test_each_worked_example_is_the_policy_of_a_local_site_and_the_starter_that_of_all_others() -> None:
    document = read_policy(local_policy())

    assert policy_content(document.for_site(GAMING_SITE)) == defaults_of("docs/policies/gaming_operator.json")
    assert policy_content(document.for_site(LENDER_SITE)) == defaults_of("docs/policies/lender.json")
    assert {GAMING_SITE, LENDER_SITE} < set(new_sites()["sites"])
    for site in SAMPLE_SITES:
        assert policy_content(document.for_site(site)) == defaults_of("policy.json")


def test_the_local_policy_is_deployed_once() -> None:
    appconfig = FakeAppConfig()

    deploy_local_policy(appconfig.stack)
    initial_changes = list(appconfig.changes)
    deploy_local_policy(appconfig.stack)

    assert appconfig.policy.status().text == local_policy()
    assert appconfig.changes == initial_changes


def test_the_local_policy_is_found_behind_more_deployments_than_the_emulator_lists_unasked() -> None:
    appconfig = FakeAppConfig()
    appconfig.omits_next_token = True
    for text in ("1", "2", "3", "4"):
        appconfig.add_deployment(text)

    assert policy_of(appconfig.stack).status().text == "4"


def test_a_changed_starter_is_deployed_with_the_sites_that_it_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    appconfig = FakeAppConfig()
    deploy_local_policy(appconfig.stack)
    starter_policy = json.loads((ROOT / "policy.json").read_text(encoding="utf-8"))
    starter_policy["sites"]["S1"] = {"unknown_order": "decline"}
    (tmp_path / "policy.json").write_text(json.dumps(starter_policy))
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.setattr(policy, "ROOT", tmp_path)

    deploy_local_policy(appconfig.stack)

    text = appconfig.policy.status().text
    assert text is not None
    assert read_policy(text).for_site("S1").unknown_order == "decline"
    assert policy_content(read_policy(text).for_site(LENDER_SITE)) == defaults_of("docs/policies/lender.json")


def test_a_broken_starter_is_told_with_its_faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    appconfig = FakeAppConfig()
    (tmp_path / "policy.json").write_text('{"defaults": {}}')
    monkeypatch.setattr(policy, "ROOT", tmp_path)

    with pytest.raises(OperationError, match=r"defaults\.unknown_order: "):
        deploy_local_policy(appconfig.stack)
    assert appconfig.calls == []
