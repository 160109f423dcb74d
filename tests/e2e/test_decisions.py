"""Every reason, reached through the deployed stack by its documented example."""

from datetime import datetime
from typing import get_args

import pytest

from local.backend import Backend
from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books
from local.events import Transport, as_text
from local.examples import Stage, load_examples
from local.policy import local_policy
from paynearme.messages import Authorization, read_message
from paynearme.policy import Reason, decision_for, read_policy

TRANSPORTS: tuple[Transport, ...] = get_args(Transport.__value__)
EXAMPLES = load_examples()


@pytest.fixture
def stage(sender: CallbackSender, backend: Backend, faults: Control) -> Stage:
    return Stage(sender, backend, faults)


def test_there_is_an_example_of_each_reason() -> None:
    assert {reason: example.reason for reason, example in EXAMPLES.items()} == {r: r for r in Reason}


@pytest.mark.parametrize("reason", EXAMPLES)
def test_each_example_is_decided_for_its_reason_in_the_policys_words(
    stage: Stage, books: Books, reason: Reason
) -> None:
    example = EXAMPLES[reason]
    # Each transport takes a third of the examples.
    transport = TRANSPORTS[list(EXAMPLES).index(reason) % len(TRANSPORTS)]

    played = stage.play(example, transport)

    delivery, sent = played.delivery, played.message
    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields["accept_payment"] == ("yes" if reason is Reason.ACCEPTED else "no")
    policy = read_policy(local_policy()).of(example.site)
    message = read_message(Authorization, as_text({**sent, "timestamp": "1", "version": "3.0"}))
    decided_at = datetime.strptime(delivery.fields["memo"], "%Y-%m-%d %H:%M:%S %z")
    expected = decision_for(reason, message, policy, decided_at)
    assert delivery.fields.get("decline_reason") == expected.decline_reason
    assert delivery.fields["receipt"] == expected.receipt

    payment = books.payment(example.site, sent["pnm_payment_identifier"])
    if reason is Reason.CANNOT_DECIDE_NOW:
        assert payment is None
    elif reason is Reason.CONFLICTS_WITH_EARLIER:
        assert payment is not None
        assert payment["anomalies"] == {"authorization_conflict"}
    else:
        assert payment is not None
        assert payment["reason"] == reason
        assert payment["policy_version"] == policy.version
