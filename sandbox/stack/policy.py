"""The policy of the local stack: ``policy.json``, and a site for each worked example of ``docs/policies``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from operations.errors import OperationError
from operations.policy_deployment import AppConfigTarget, DeployedPolicy, emulated_policy
from paynearme.errors import PolicyInvalidError
from paynearme.policy import read_policy
from sandbox.stack.sites import GAMING_SITE, LENDER_SITE

if TYPE_CHECKING:
    from sandbox.stack.stack import Stack

_ROOT = Path(__file__).resolve().parents[2]
_EXAMPLES = {GAMING_SITE: "gaming_operator", LENDER_SITE: "lender"}


def local_policy() -> str:
    """Return the document. Raises ``PolicyInvalidError`` when ``policy.json`` is not valid."""
    starter = (_ROOT / "policy.json").read_text(encoding="utf-8")
    read_policy(starter)
    document = json.loads(starter)
    examples = {
        site: json.loads((_ROOT / f"docs/policies/{name}.json").read_text(encoding="utf-8"))["defaults"]
        for site, name in _EXAMPLES.items()
    }
    return json.dumps({**document, "sites": {**document.get("sites", {}), **examples}}, indent=2) + "\n"


def policy_of(stack: "Stack") -> DeployedPolicy:
    """Return the policy of a running local stack."""
    target = AppConfigTarget(
        application=stack.policy_application_id,
        environment=stack.policy_environment_id,
        profile=stack.policy_profile_id,
        strategy=stack.policy_strategy_id,
    )
    return emulated_policy(stack.client("appconfig"), target)


def deploy_local_policy(stack: "Stack") -> None:
    """Bring the local policy into force on a running stack. Does nothing where it is.

    Raises ``OperationError`` when ``policy.json`` is not valid or the deployment fails.
    """
    policy = policy_of(stack)
    try:
        started = policy.deploy(local_policy())
    except PolicyInvalidError as error:
        errors = "\n".join(error.errors)
        raise OperationError(f"policy.json is not valid:\n{errors}") from None
    if started:
        policy.wait(started, on_change=lambda _: None)
