"""The conditions of all writes, in the bodies that botocore sends without validation of parameters."""

import json
from datetime import timedelta
from typing import Any

import pytest

from paynearme.platform.dynamodb import Update
from tests.support import cached_clients as support
from tests.support.api_driver import SubmissionScenario, customer_path
from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import NOON, OVERDUE, RELEASE_DUE, CallbackDriver, limit, reversal, send_at
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction


def writes_in(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the updates of a request's body."""
    if "TransactItems" in body:
        return [item["Update"] for item in body["TransactItems"]]
    return [body] if "UpdateExpression" in body else []


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of DynamoDB requests, from clients as in production. A test requests it before the functions."""
    monkeypatch.setattr(support, "_validating", lambda config: config)
    return []


def test_conditional_writes_carry_condition_on_wire(
    bodies: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    cached_clients: CachedClients,
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    reverse: LambdaFunction,
    submission: SubmissionScenario,
) -> None:
    built: list[tuple[str, str, str]] = []
    to_request = Update.to_request

    def record(update: Update, table_name: str) -> dict[str, Any]:
        built.append((update.pk, update.sk, update.condition))
        return to_request(update, table_name)

    monkeypatch.setattr(Update, "to_request", record)
    deployed_policy.put_defaults(spending_limits=[limit("day", "900.00")])
    with cached_clients.with_hook(
        "before-call.dynamodb", lambda params, **_: bodies.append(json.loads(params["body"]))
    ):
        for payment_id in ("1", "2"):
            assert callback_driver.authorize(payment_id)
        # The first payment of a window has another condition than the second.
        assert [bool(condition) for _, _, condition in built] == [True] * 4
        callback_driver.confirm("1")
        callback_driver.confirm("3", status="void")
        send_at(NOON, reverse, reversal(pnm_payment_identifier="1"))
        for now in (OVERDUE, RELEASE_DUE + timedelta(seconds=1)):
            callback_driver.sweep(now)
        submission.submit()
        submission.finish()
        for amount in ("1.00", "2.00"):
            submission.api_driver.put(customer_path(), self_imposed_day_limit=amount)

    sent = [
        (write["Key"]["pk"]["S"], write["Key"]["sk"]["S"], write.get("ConditionExpression", ""))
        for body in bodies
        for write in writes_in(body)
    ]
    assert sent == built
    # Each kind of item with a condition was written.
    assert {"PAYMENT", "SPENDING", "QUARANTINE", "INTENT", "ACCOUNT"} <= {sk for _, sk, condition in sent if condition}
