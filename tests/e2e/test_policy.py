"""The policy on the deployed stack: what brings another one into force, and what never does."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.callbacks import CallbackSender, Delivery
from local.control import Control
from local.drive import Books, confirmation_of
from local.events import Parameters, load, with_fresh_payment
from local.policy import deploy_local_policy, local_policy, policy_of
from local.stack import Stack
from paynearme.policy import DEFAULT_TEXTS, Reason, read_policy
from tests.e2e.delivering import at_once

WITHIN_SECONDS = 8
type Pair = tuple[Delivery, Delivery]
"""What came of an authorization, and of another payment's confirmation at the same time."""

FAULTS: list[dict[str, Any]] = [{"mode": "error500"}, {"mode": "hang"}, {"mode": "lost"}]


def changed(**defaults: Any) -> str:
    """Return the local policy with other defaults."""
    document = json.loads(local_policy())
    return json.dumps({**document, "defaults": {**document["defaults"], **defaults}})


BROKEN = {
    "no JSON": "{",
    "a time zone that does not exist": changed(time_zone="Mars/Olympus_Mons"),
    "a receipt that is too long": changed(texts={"accepted": {"receipt": "x" * 3001}}),
}


class AppConfig:
    """The stack's AppConfig, past all checks."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client("appconfig")
        self._profile = {
            "ApplicationId": stack.policy_application_id,
            "ConfigurationProfileId": stack.policy_profile_id,
        }
        self._environment = {"EnvironmentId": stack.policy_environment_id}
        self._strategy = {"DeploymentStrategyId": stack.policy_strategy_id}

    def put(self, text: str) -> None:
        """Deploy ``text``, whatever it is."""
        version = self._client.create_hosted_configuration_version(
            **self._profile, Content=text.encode(), ContentType="application/json"
        )["VersionNumber"]
        self._client.start_deployment(
            **self._profile, **self._environment, **self._strategy, ConfigurationVersion=str(version)
        )


@pytest.fixture(scope="class")
def appconfig(stack: Stack, settled: Callable[[], list[Pair]]) -> Iterator[AppConfig]:
    """For all tests of a class: until a process has looked again takes longer than the rest of them."""
    yield AppConfig(stack)
    deploy_local_policy(stack)
    settled()


@pytest.fixture(scope="session")
def settled(sender: CallbackSender) -> Callable[[], list[Pair]]:
    """Ask and tell until each process has looked for a newer policy; return what came of it.

    They look when theirs is a second old.
    """

    def ask() -> list[Pair]:
        pairs: list[Pair] = []
        until = time.monotonic() + 1.5
        is_last = False
        while not is_last:
            # One that hangs may take the rest of the time: the last round begins after it.
            is_last = time.monotonic() >= until
            message, other = (with_fresh_payment(load("authorization")["credit"]) for _ in range(2))
            deliveries = at_once(sender, {"authorize": message, "confirm": confirmation_of(other)})
            pairs.append((deliveries["authorize"], deliveries["confirm"]))
        return pairs

    return ask


def answered(delivery: Delivery) -> dict[str, str]:
    assert delivery.accepted, delivery.reason
    assert delivery.seconds < WITHIN_SECONDS
    assert delivery.fields is not None
    return delivery.fields


def test_a_policy_that_is_deployed_comes_into_force(
    stack: Stack,
    appconfig: AppConfig,
    settled: Callable[[], list[Pair]],
    sender: CallbackSender,
    books: Books,
    authorization: Parameters,
) -> None:
    stricter = changed(amounts={"credit": {"maximum": "0.01"}})

    started = policy_of(stack).deploy(stricter)
    settled()
    fields = answered(sender.deliver("authorize", authorization, "json"))

    assert started is not None
    assert policy_of(stack).deploy(stricter) is None
    assert fields["accept_payment"] == "no"
    payment = books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["reason"] == Reason.AMOUNT_TOO_HIGH
    assert payment["policy_version"] == read_policy(stricter).defaults.version


class TestBehindABrokenPolicy:
    @pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
    def test_the_last_good_one_holds(
        self,
        appconfig: AppConfig,
        settled: Callable[[], list[Pair]],
        sender: CallbackSender,
        faults: Control,
        books: Books,
        authorization: Parameters,
        text: str,
    ) -> None:
        answered(sender.deliver("authorize", with_fresh_payment(authorization), "json"))

        appconfig.put(text)
        faults.delete("counts")
        settled()
        looks = [name for name in faults.get("counts") if name.startswith("AppConfigData")]
        fields = answered(sender.deliver("authorize", authorization, "json"))

        assert looks
        assert fields["accept_payment"] == "yes"
        payment = books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
        assert payment is not None
        assert payment["policy_version"] == read_policy(local_policy()).defaults.version


class TestAFunctionThatNeverSawAGoodPolicy:
    @pytest.mark.parametrize("text", [*BROKEN.values(), ""], ids=[*BROKEN, "none at all"])
    def test_it_declines_in_words_and_confirms_all_the_same(
        self,
        appconfig: AppConfig,
        cold: Callable[[], None],
        sender: CallbackSender,
        books: Books,
        authorization: Parameters,
        text: str,
    ) -> None:
        appconfig.put(text)
        cold()

        deliveries = at_once(sender, {"authorize": authorization, "confirm": confirmation_of(authorization)})
        fields, told = answered(deliveries["authorize"]), deliveries["confirm"]

        assert fields["accept_payment"] == "no"
        assert fields["decline_reason"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].decline_reason
        assert told.accepted
        assert told.seconds < WITHIN_SECONDS
        payment = books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
        assert payment is not None
        assert "decision" not in payment
        assert payment["anomalies"] == {"spending_not_counted"}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_without_appconfig_a_warm_function_decides_as_before(
    settled: Callable[[], list[Pair]], faults: Control, fault: dict[str, Any]
) -> None:
    # Each time: after a look that failed the next one begins a session of AppConfig's anew.
    settled()
    faults.post("fault", {"service": "appconfigdata", **fault})
    faults.delete("counts")

    pairs = settled()

    # A policy that is younger than a second holds without a look.
    assert [name for name in faults.get("counts") if name.startswith("AppConfigData")]
    for asked, confirmed in pairs:
        assert answered(asked)["accept_payment"] == "yes"
        assert confirmed.accepted, confirmed.reason
        assert confirmed.seconds < WITHIN_SECONDS


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_without_appconfig_a_cold_function_declines_in_words_and_confirms_all_the_same(
    cold: Callable[[], None],
    sender: CallbackSender,
    faults: Control,
    books: Books,
    authorization: Parameters,
    fault: dict[str, Any],
) -> None:
    cold()
    faults.post("fault", {"service": "appconfigdata", **fault})

    deliveries = at_once(sender, {"authorize": authorization, "confirm": confirmation_of(authorization)})
    fields, told = answered(deliveries["authorize"]), deliveries["confirm"]

    assert fields["accept_payment"] == "no"
    assert told.accepted
    assert told.seconds < WITHIN_SECONDS
    payment = books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert payment["outcome"] == "payment"
