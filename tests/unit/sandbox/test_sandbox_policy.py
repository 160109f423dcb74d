from pathlib import Path
from typing import Any

from paynearme.policy import read_policy
from sandbox.stack.policy import deploy_local_policy, local_policy
from sandbox.stack.sites import GAMING_SITE, LENDER_SITE, SAMPLE_SITES, new_sites
from tests.support.fake_appconfig import FakeAppConfig

ROOT = Path(__file__).parents[3]


def defaults_of(path: str) -> dict[str, Any]:
    return read_policy((ROOT / path).read_text(encoding="utf-8")).defaults.model_dump()


def test_local_policy_two_sites_have_examples_others_starter() -> None:
    document = read_policy(local_policy())

    assert document.for_site(GAMING_SITE).model_dump() == defaults_of("docs/policies/gaming_operator.json")
    assert document.for_site(LENDER_SITE).model_dump() == defaults_of("docs/policies/lender.json")
    assert {GAMING_SITE, LENDER_SITE} < set(new_sites()["sites"])
    for site in SAMPLE_SITES:
        assert document.for_site(site).model_dump() == defaults_of("policy.json")


def test_local_policy_deployed_once() -> None:
    appconfig = FakeAppConfig()

    deploy_local_policy(appconfig.stack)
    initial_changes = list(appconfig.changes)
    deploy_local_policy(appconfig.stack)

    assert appconfig.policy.status().text == local_policy()
    assert appconfig.changes == initial_changes
