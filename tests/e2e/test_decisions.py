"""Run the decision example of each decision reason on the deployed stack."""

from datetime import datetime

import pytest

from paynearme.policy import Reason, decision_for, read_policy
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.parsing import read_message
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.demo.decision_examples import ExampleRunner, load_examples
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import TRANSPORTS, stringify_parameters
from sandbox.stack.policy import local_policy

EXAMPLES = load_examples()


@pytest.fixture
def example_runner(sender: CallbackSender, backend: BackendClient, faults: ControlClient) -> ExampleRunner:
    return ExampleRunner(sender, backend, faults)


@pytest.mark.parametrize("reason", EXAMPLES)
def test_decision_example_decided_with_reason_and_policy_texts(
    example_runner: ExampleRunner, ledger_reader: LedgerReader, reason: Reason
) -> None:
    example = EXAMPLES[reason]
    # One third of the examples runs with each transport.
    transport = TRANSPORTS[list(Reason).index(reason) % len(TRANSPORTS)]

    result = example_runner.run(example, transport)

    delivery, request_message = result.delivery, result.message
    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields["accept_payment"] == ("yes" if reason is Reason.ACCEPTED else "no")
    policy = read_policy(local_policy()).for_site(example.site)
    message = read_message(Authorization, stringify_parameters({**request_message, "timestamp": "1", "version": "3.0"}))
    decided_at = datetime.strptime(delivery.fields["memo"], "%Y-%m-%d %H:%M:%S %z")
    expected = decision_for(reason, message, policy, decided_at)
    assert delivery.fields.get("decline_reason") == expected.decline_reason
    assert delivery.fields["receipt"] == expected.receipt

    payment = ledger_reader.payment(example.site, request_message["pnm_payment_identifier"])
    if reason is Reason.CANNOT_DECIDE_NOW:
        assert payment is None
        return
    assert payment is not None
    if reason is Reason.CONFLICTS_WITH_EARLIER:
        assert payment["anomalies"] == {"authorization_conflict"}
    else:
        assert payment["reason"] == reason
        assert payment["policy_version"] == policy.version
