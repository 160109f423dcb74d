"""The policy on the deployed stack: a valid document becomes active, and an invalid document never does."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason, read_policy
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.policy import deploy_local_policy, local_policy, policy_of
from sandbox.stack.stack import Stack
from tests.e2e.conftest import MAX_RESPONSE_SECONDS
from tests.support.payment_driver import deliver_concurrently

type DeliveryPair = tuple[Delivery, Delivery]
"""The concurrent deliveries of an authorization, and of a confirmation of another payment."""

FAULTS: list[dict[str, Any]] = [{"mode": "error500"}, {"mode": "hang"}, {"mode": "lost"}]


def changed_policy(**defaults: Any) -> str:
    """Return the local policy with other defaults."""
    document = json.loads(local_policy())
    return json.dumps({**document, "defaults": {**document["defaults"], **defaults}})


INVALID_POLICIES = {
    "malformed JSON": "{",
    "unknown time zone": changed_policy(time_zone="Mars/Olympus_Mons"),
    "receipt too long": changed_policy(texts={"accepted": {"receipt": "x" * 3001}}),
}


class AppConfigClient:
    """Deploy policy documents to the stack's AppConfig without validation."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client("appconfig")
        self._profile = {
            "ApplicationId": stack.policy_application_id,
            "ConfigurationProfileId": stack.policy_profile_id,
        }
        self._environment = {"EnvironmentId": stack.policy_environment_id}
        self._strategy = {"DeploymentStrategyId": stack.policy_strategy_id}

    def put(self, text: str) -> None:
        """Deploy ``text`` without validation."""
        version = self._client.create_hosted_configuration_version(
            **self._profile, Content=text.encode(), ContentType="application/json"
        )["VersionNumber"]
        self._client.start_deployment(
            **self._profile, **self._environment, **self._strategy, ConfigurationVersion=str(version)
        )


@pytest.fixture(scope="class")
def appconfig(stack: Stack, refreshed_deliveries: Callable[[], list[DeliveryPair]]) -> Iterator[AppConfigClient]:
    """Yield a client for all tests of a class, because a refresh of the policy takes longer than a test.

    Restore the local policy after.
    """
    yield AppConfigClient(stack)
    deploy_local_policy(stack)
    refreshed_deliveries()


@pytest.fixture(scope="session")
def refreshed_deliveries(sender: CallbackSender) -> Callable[[], list[DeliveryPair]]:
    """Return a function that sends callbacks until each process has requested the policy again.

    A process requests the policy when its copy is one second old. The function returns the deliveries.
    """

    def deliver_until_refreshed() -> list[DeliveryPair]:
        pairs: list[DeliveryPair] = []
        end_time = time.monotonic() + 1.5
        is_last = False
        while not is_last:
            # A request that hangs can take the remaining time. The last round starts after the end time.
            is_last = time.monotonic() >= end_time
            message, other_message = (with_new_identifier(load("authorization")["credit"]) for _ in range(2))
            deliveries = deliver_concurrently(
                sender, {"authorize": message, "confirm": build_confirmation(other_message)}
            )
            pairs.append((deliveries["authorize"], deliveries["confirm"]))
        return pairs

    return deliver_until_refreshed


def response_fields(delivery: Delivery) -> dict[str, str]:
    assert delivery.accepted, delivery.reason
    assert delivery.seconds < MAX_RESPONSE_SECONDS
    assert delivery.fields is not None
    return delivery.fields


def test_policy_deployed_becomes_active(
    stack: Stack,
    appconfig: AppConfigClient,
    refreshed_deliveries: Callable[[], list[DeliveryPair]],
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    strict_policy = changed_policy(amounts={"credit": {"maximum": "0.01"}})

    deployment = policy_of(stack).deploy(strict_policy)
    refreshed_deliveries()
    fields = response_fields(sender.deliver("authorize", authorization, "json"))

    assert deployment is not None
    assert policy_of(stack).deploy(strict_policy) is None
    assert fields["accept_payment"] == "no"
    payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["reason"] == Reason.AMOUNT_TOO_HIGH
    assert payment["policy_version"] == read_policy(strict_policy).defaults.version


class TestInvalidPolicy:
    @pytest.mark.parametrize("text", INVALID_POLICIES.values(), ids=INVALID_POLICIES)
    def test_invalid_policy_last_valid_version_stays_active(
        self,
        appconfig: AppConfigClient,
        refreshed_deliveries: Callable[[], list[DeliveryPair]],
        sender: CallbackSender,
        faults: ControlClient,
        ledger_reader: LedgerReader,
        authorization: Parameters,
        text: str,
    ) -> None:
        response_fields(sender.deliver("authorize", with_new_identifier(authorization), "json"))

        appconfig.put(text)
        faults.delete("counts")
        refreshed_deliveries()
        fetches = [name for name in faults.get("counts") if name.startswith("AppConfigData")]
        fields = response_fields(sender.deliver("authorize", authorization, "json"))

        assert fetches
        assert fields["accept_payment"] == "yes"
        payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
        assert payment is not None
        assert payment["policy_version"] == read_policy(local_policy()).defaults.version


class TestColdStartWithInvalidPolicy:
    @pytest.mark.parametrize("text", [*INVALID_POLICIES.values(), ""], ids=[*INVALID_POLICIES, "empty"])
    def test_authorize_declines_with_default_text_but_confirms(
        self,
        appconfig: AppConfigClient,
        replace_processes: Callable[[], None],
        sender: CallbackSender,
        ledger_reader: LedgerReader,
        authorization: Parameters,
        text: str,
    ) -> None:
        appconfig.put(text)
        replace_processes()

        deliveries = deliver_concurrently(
            sender, {"authorize": authorization, "confirm": build_confirmation(authorization)}
        )
        fields, confirmed = response_fields(deliveries["authorize"]), deliveries["confirm"]

        assert fields["accept_payment"] == "no"
        assert fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason
        assert confirmed.accepted
        assert confirmed.seconds < MAX_RESPONSE_SECONDS
        payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
        assert payment is not None
        assert "decision" not in payment
        assert payment["anomalies"] == {"spending_not_counted"}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_appconfig_down_warm_function_decides_unchanged(
    refreshed_deliveries: Callable[[], list[DeliveryPair]], faults: ControlClient, fault: dict[str, Any]
) -> None:
    # After a failed request, the next request starts a new AppConfig session. This refresh ends that state.
    refreshed_deliveries()
    faults.post("fault", {"service": "appconfigdata", **fault})
    faults.delete("counts")

    pairs = refreshed_deliveries()

    # A process that has a policy younger than one second sends no request.
    assert [name for name in faults.get("counts") if name.startswith("AppConfigData")]
    for authorized, confirmed in pairs:
        assert response_fields(authorized)["accept_payment"] == "yes"
        assert confirmed.accepted, confirmed.reason
        assert confirmed.seconds < MAX_RESPONSE_SECONDS


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_appconfig_down_cold_start_declines_but_confirms(
    replace_processes: Callable[[], None],
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    fault: dict[str, Any],
) -> None:
    replace_processes()
    faults.post("fault", {"service": "appconfigdata", **fault})

    deliveries = deliver_concurrently(
        sender, {"authorize": authorization, "confirm": build_confirmation(authorization)}
    )
    fields, confirmed = response_fields(deliveries["authorize"]), deliveries["confirm"]

    assert fields["accept_payment"] == "no"
    assert confirmed.accepted
    assert confirmed.seconds < MAX_RESPONSE_SECONDS
    payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["outcome"] == "payment"
