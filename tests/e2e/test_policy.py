"""The policy on the deployed stack: a valid document becomes active, and an invalid document never does."""

import json
import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from paynearme.policy import Reason, read_policy
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, with_new_identifier
from sandbox.stack.policy import deploy_local_policy, local_policy, policy_of
from sandbox.stack.stack import Stack
from tests.support.function_processes import publish


def changed_policy(**defaults: Any) -> str:
    """Return the local policy with other defaults."""
    document = json.loads(local_policy())
    return json.dumps({**document, "defaults": {**document["defaults"], **defaults}})


@pytest.fixture(autouse=True)
def _local_policy(stack: Stack) -> Iterator[None]:
    """Restore the local policy after the test. New processes use it immediately."""
    yield
    deploy_local_policy(stack)
    publish(stack, "Authorize", "Confirm")


def retry_until_true(function: Callable[[], bool]) -> None:
    """Call ``function`` until it returns true, because a process requests the policy once in a second."""
    retrying = Retrying(retry=retry_if_result(operator.not_), wait=wait_fixed(0.2), stop=stop_after_delay(60))
    retrying(function)


def deploy_without_validation(stack: Stack, text: str) -> None:
    client = stack.client("appconfig")
    profile = {"ApplicationId": stack.policy_application_id, "ConfigurationProfileId": stack.policy_profile_id}
    version = client.create_hosted_configuration_version(
        **profile, Content=text.encode(), ContentType="application/json"
    )["VersionNumber"]
    client.start_deployment(
        **profile,
        EnvironmentId=stack.policy_environment_id,
        DeploymentStrategyId=stack.policy_strategy_id,
        ConfigurationVersion=str(version),
    )


def test_policy_deployed_becomes_active(
    stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters
) -> None:
    strict_policy = changed_policy(amounts={"credit": {"maximum": "0.01"}})
    assert policy_of(stack).deploy(strict_policy) is not None
    assert policy_of(stack).deploy(strict_policy) is None

    def is_active() -> bool:
        message = with_new_identifier(authorization)
        assert sender.deliver("authorize", message, "json").accepted
        payment = ledger_reader.payment(message["site_identifier"], message["pnm_payment_identifier"]) or {}
        version = read_policy(strict_policy).defaults.version
        return (payment.get("reason"), payment.get("policy_version")) == (Reason.AMOUNT_TOO_HIGH, version)

    retry_until_true(is_active)


def test_policy_invalid_last_valid_version_stays_active(
    stack: Stack, sender: CallbackSender, faults: ControlClient, ledger_reader: LedgerReader, authorization: Parameters
) -> None:
    # One process fetches the invalid policy and decides.
    publish(stack, "Authorize")
    assert sender.deliver("authorize", with_new_identifier(authorization), "json").accepted
    deploy_without_validation(stack, changed_policy(time_zone="Mars/Olympus_Mons"))
    faults.delete("counts")

    def is_fetched() -> bool:
        assert sender.deliver("authorize", with_new_identifier(authorization), "json").accepted
        return any(name.startswith("AppConfigData") for name in faults.get("counts"))

    retry_until_true(is_fetched)
    assert sender.deliver("authorize", authorization, "json").accepted

    payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["decision"] == "accept"
    assert payment["policy_version"] == read_policy(local_policy()).defaults.version
