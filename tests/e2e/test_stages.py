"""The stacks of ``dev`` and ``prod``, deployed as ``samconfig.toml`` says, side by side in one account.

The emulator knows nothing of some resources: those stand behind conditions, and what SAM and CloudFormation
make of them is in ``test_expansion*.py``.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from local.control import Control
from local.deploying import overrides_of
from local.drive import Books, backend_of, confirmation_of, sender_of
from local.events import Parameters, load, with_fresh_payment
from local.merchant_events import MerchantEvents
from local.sites import GAMING_SITE
from local.stack import Stack
from tests.e2e.hearing import Heard
from tests.e2e.rehearsing import NOT_ACKNOWLEDGED, rehearsed
from tests.e2e.staging import OTHER, SITE, Stages, differences, in_each_stage, resources_of
from tests.template import PARAMETERS


@pytest.fixture
def warm(stages: Stages, authorization: Parameters) -> None:
    """Have the confirmations answered at their usual pace: a function that has yet to start is slower."""
    plain = confirmation_of(with_fresh_payment(authorization), site_customer_identifier="warms-up")
    for stack in stages.values():
        sender_of(stack).deliver_until_acknowledged("confirm", plain, "json", minute=0.01, attempts=5)


@in_each_stage
def test_a_stage_is_deployed_as_its_settings_say_but_for_what_must_differ_here(
    stack: Stack, stages: Stages, stage: str
) -> None:
    name = stages[stage].stack_name
    [described] = stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    defaults = {parameter: str(entry["Default"]) for parameter, entry in PARAMETERS.items()}

    deployed = {entry["ParameterKey"]: entry["ParameterValue"] for entry in described["Parameters"]}

    assert deployed == defaults | overrides_of(stage) | differences(stack)
    assert described["StackStatus"] == "CREATE_COMPLETE"


@in_each_stage
def test_logs_are_kept_and_policies_are_brought_in_as_long_as_the_settings_say(
    stages: Stages, stage: str
) -> None:
    stack, settings = stages[stage], overrides_of(stage)

    named = {identifier for kind, identifier in resources_of(stack) if kind == "AWS::Logs::LogGroup"}
    pages = stack.client("logs").get_paginator("describe_log_groups").paginate()
    groups = [group for page in pages for group in page["logGroups"] if group["logGroupName"] in named]
    strategy = stack.client("appconfig").get_deployment_strategy(
        DeploymentStrategyId=stack.policy_strategy_id
    )

    assert len(groups) == len(named) > 0
    assert {group["retentionInDays"] for group in groups} == {int(settings["LogRetentionDays"])}
    minutes = (strategy["DeploymentDurationInMinutes"], strategy["FinalBakeTimeInMinutes"])
    assert minutes == tuple(
        int(settings.get(name, "0")) for name in ("PolicyDeploymentMinutes", "PolicyBakeMinutes")
    )


def test_a_payment_is_posted_and_told_in_its_own_stage_alone(
    stack: Stack, stages: Stages, authorization: Parameters
) -> None:
    customer = "pays-in-both-stages"
    messages = {
        stage: with_fresh_payment({**authorization, "site_customer_identifier": customer}) for stage in OTHER
    }
    payments = {stage: message["pnm_payment_identifier"] for stage, message in messages.items()}
    heard = {stage: Heard(MerchantEvents(stages[stage])) for stage in OTHER}
    facts = ("PaymentAuthorized", "PaymentConfirmed")

    def pay(stage: str) -> None:
        sender, message, payment = sender_of(stages[stage]), messages[stage], payments[stage]
        asked = sender.deliver_until_acknowledged("authorize", message, "json", minute=0.01)[-1]
        told = sender.deliver_until_acknowledged("confirm", confirmation_of(message), "json", minute=0.01)[-1]
        assert (asked.reason, told.reason) == (None, None)
        assert asked.fields is not None
        assert asked.fields["accept_payment"] == "yes"
        heard[stage].until(lambda so_far: so_far.all_of((payment, fact) for fact in facts))

    with ThreadPoolExecutor(len(OTHER)) as threads:
        list(threads.map(pay, OTHER))

    for stage, payment in payments.items():
        posted = Books(stages[stage]).payment(SITE, payment)
        assert posted is not None
        assert posted["outcome"] == "payment"
        assert Books(stages[stage]).balance(SITE, customer) == Decimal(authorization["net_payment_amount"])
        assert heard[stage].facts(payments.values()) == Counter((payment, fact) for fact in facts)
        for elsewhere in (stages[OTHER[stage]], stack):
            assert Books(elsewhere).payment(SITE, payment) is None


@pytest.mark.usefixtures("warm")
@in_each_stage
def test_what_the_other_stages_key_signed_is_refused(
    stages: Stages, authorization: Parameters, stage: str
) -> None:
    mistaken = replace(stages[stage], sites=stages[OTHER[stage]].sites)

    delivery = sender_of(mistaken).deliver("confirm", confirmation_of(authorization), "json")

    assert delivery.status == 401
    payment = authorization["pnm_payment_identifier"]
    assert Books(stages[stage]).payment(SITE, payment) is None


@in_each_stage
def test_a_backend_gets_tokens_in_its_own_stage_and_is_turned_away_in_the_other(
    stages: Stages, paynearme: Control, stage: str
) -> None:
    own, other = stages[stage], stages[OTHER[stage]]
    request = {**load("get_smart_token")["plain"], "site_identifier": GAMING_SITE}

    # The function has yet to start.
    assert backend_of(own, patience=60).post("/smart-tokens", request).status == 200
    assert backend_of(replace(own, backend_url=other.backend_url)).post("/smart-tokens", request).status == 403


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("annotation", [*NOT_ACKNOWLEDGED, "confirm_delay_60"])
def test_prod_acknowledges_whatever_an_order_asks_to_rehearse(
    stages: Stages, authorization: Parameters, annotation: str
) -> None:
    customer = f"does-not-rehearse-{annotation}"

    deliveries = rehearsed(sender_of(stages["prod"]), authorization, annotation, customer)

    # A rehearsal of a delay that nobody waits for would be a blank answer.
    assert [delivery.reason for delivery in deliveries] == [None, None]
    assert Books(stages["prod"]).balance(SITE, customer) == Decimal(authorization["net_payment_amount"])


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("annotation", NOT_ACKNOWLEDGED)
def test_dev_rehearses_what_is_not_acknowledged(
    stages: Stages, authorization: Parameters, annotation: str
) -> None:
    deliveries = rehearsed(sender_of(stages["dev"]), authorization, annotation, f"rehearses-{annotation}")

    assert [delivery.reason for delivery in deliveries] == [NOT_ACKNOWLEDGED[annotation]] * 2


@pytest.mark.usefixtures("warm")
def test_dev_rehearses_what_comes_late(stages: Stages, authorization: Parameters) -> None:
    deliveries = rehearsed(sender_of(stages["dev"]), authorization, "confirm_delay_1", "rehearses-a-delay")

    assert [delivery.reason for delivery in deliveries] == [None, None]
    assert min(delivery.seconds for delivery in deliveries) >= 1
