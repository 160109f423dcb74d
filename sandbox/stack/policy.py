"""The policy document of the local stack: ``policy.json``, the examples in ``docs/policies``, and a paused site."""

import json

from operations.errors import OperationError
from operations.policy_deployment import AppConfigTarget, DeployedPolicy, emulated_policy
from paynearme.errors import PolicyInvalidError
from paynearme.policy import read_policy
from sandbox import ROOT
from sandbox.stack.sites import GAMING_SITE, LENDER_SITE, PAUSED_SITE
from sandbox.stack.stack import Stack

_EXAMPLES = {GAMING_SITE: "gaming_operator", LENDER_SITE: "lender"}


def local_policy() -> str:
    """Return the policy document. Raises ``PolicyInvalidError`` if ``policy.json`` is invalid."""
    starter = (ROOT / "policy.json").read_text(encoding="utf-8")
    read_policy(starter)
    document = json.loads(starter)
    examples = {
        site: json.loads((ROOT / f"docs/policies/{name}.json").read_text(encoding="utf-8"))["defaults"]
        for site, name in _EXAMPLES.items()
    }
    sites = {**document.get("sites", {}), **examples, PAUSED_SITE: {"pause_payments": True}}
    return json.dumps({**document, "sites": sites}, indent=2) + "\n"


def policy_of(stack: Stack) -> DeployedPolicy:
    """Return the policy of a running local stack."""
    target = AppConfigTarget(
        application=stack.policy_application_id,
        environment=stack.policy_environment_id,
        profile=stack.policy_profile_id,
        strategy=stack.policy_strategy_id,
    )
    return emulated_policy(stack.client("appconfig"), target)


def deploy_local_policy(stack: Stack) -> None:
    """Deploy the local policy to a running stack, unless it is active.

    Raises ``OperationError`` if ``policy.json`` is invalid or the deployment fails.
    """
    policy = policy_of(stack)
    try:
        started = policy.deploy(local_policy())
    except PolicyInvalidError as error:
        errors = "\n".join(error.errors)
        raise OperationError(f"policy.json is not valid:\n{errors}") from None
    if started:
        policy.wait(started, on_change=lambda _: None)
