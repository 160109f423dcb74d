"""Replay and discard of quarantined callbacks: each payment and each reversal has one effect."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

WHO = {"operator": "arn:aws:iam::123456789012:user/ops", "why": "fixed in the next version"}


@pytest.fixture
def operate(cold_start: Callable[[str], LambdaFunction]) -> Callable[..., dict[str, Any]]:
    app = cold_start("quarantine").app
    return lambda action, **fields: app.handler({"action": action, **fields}, None)


@pytest.fixture
def replay(operate: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Replay the only unresolved callback."""

    def replay(**fields: Any) -> dict[str, Any]:
        [callback] = operate("list")["callbacks"]
        return operate("replay", identifier=callback["identifier"], **WHO, **fields)

    return replay


def break_ledger(function: LambdaFunction, monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], None]:
    """Let the ledger's function raise an unexpected error, and return the repair."""

    def fail(*_: object) -> None:
        raise TypeError

    patch = pytest.MonkeyPatch()
    patch.setattr(function.app, name, fail)
    return patch.undo


@pytest.mark.parametrize("repeated", [(True, True, True), (False, False, False), (True, False, False)])
def test_confirmation_quarantined_and_replayed_posts_once(
    confirm: LambdaFunction,
    monkeypatch: pytest.MonkeyPatch,
    ledger_table: LedgerFixture,
    operate: Callable[..., dict[str, Any]],
    repeated: tuple[bool, bool, bool],
) -> None:
    before_fix, after_fix, after_replay = repeated
    message = confirmation(payment_amount="60.00", net_payment_amount="58.00")
    repair = break_ledger(confirm, monkeypatch, "confirm")
    for _ in range(1 + before_fix):
        assert confirm(message).status == 200
    assert ledger_table.balances() == {}
    repair()
    if after_fix:
        assert confirm(confirmation(payment_amount="60.00", net_payment_amount="58.00", version="3")).status == 200
    [callback] = operate("list")["callbacks"]
    assert (callback["reason"], callback["received_count"]) == ("unexpected_error", 1 + before_fix)

    response = operate("replay", identifier=callback["identifier"], **WHO)
    if after_replay:
        assert confirm(message).status == 200

    assert response["status"] == "replayed"
    assert ledger_table.balances() == {CUSTOMER: Decimal("58.00")}
    assert ledger_table.payment()["quarantined_callbacks"] == 0
    assert operate("list") == {"callbacks": []}
    assert operate("replay", identifier=callback["identifier"], **WHO)["status"] == "already_resolved"


@pytest.mark.parametrize(
    "spelling", [{"timestamp": "1748969962123"}, {"timestamp": "1748969962.5"}, {"version": "3.1"}]
)
def test_reversal_quarantined_and_replayed_debits_once(
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    monkeypatch: pytest.MonkeyPatch,
    ledger_table: LedgerFixture,
    replay: Callable[..., dict[str, Any]],
    spelling: dict[str, str],
) -> None:
    assert confirm(confirmation(payment_amount="100.00", net_payment_amount="100.00")).status == 200
    repair = break_ledger(reverse, monkeypatch, "reverse")
    assert reverse(reversal(reverse_amount="30.00", reverse_reason="requested by Jane")).status == 200
    repair()

    assert replay()["status"] == "replayed"
    assert reverse(reversal(reverse_amount="30.00", reverse_reason="requested by Jane", **spelling)).status == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert "Jane" not in str(ledger_table.all_items())


def test_ambiguous_callback_replayed_only_with_named_parameters(
    confirm: LambdaFunction, ledger_table: LedgerFixture, replay: Callable[..., dict[str, Any]]
) -> None:
    # Also the signed text of payment type "credit" and another unknown parameter.
    genuine = confirmation(payment_type="credit")
    changed = {name: value for name, value in genuine.items() if name != "payment_type"} | {"payment_typecredit": ""}
    assert confirm(changed).status == 200
    named = {name: value for name, value in genuine.items() if name not in {"signature", "site_identifier", "version"}}
    del named["timestamp"]

    assert replay()["status"] == "rejected"
    assert replay(parameters={"payment_amount": named["payment_amount"]})["status"] == "rejected"
    assert ledger_table.balances() == {}
    assert replay(parameters=named)["status"] == "replayed"
    assert ledger_table.balances() == {CUSTOMER: Decimal(named["net_payment_amount"])}


@pytest.mark.parametrize("endpoint", ["reverse", "authorize"])
def test_wrong_endpoint_replayed_as_its_message_type(
    cold_start: Callable[[str], LambdaFunction],
    endpoint: str,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    replay: Callable[..., dict[str, Any]],
) -> None:
    paid = confirmation(payment_amount="100.00", net_payment_amount="100.00")
    assert cold_start(endpoint)(paid).status == 200
    assert replay()["status"] == "replayed"
    assert confirm(reversal(reverse_amount="30.00")).status == 200
    assert replay(dry_run=True) | {"identifier": ""} == {
        "identifier": "",
        "status": "replay_possible",
        "detail": "as a reversal",
    }
    assert ledger_table.balances() == {CUSTOMER: Decimal("100.00")}
    assert replay()["status"] == "replayed"
    assert reverse(reversal(reverse_amount="30.00")).status == 200
    assert ledger_table.balances() == {CUSTOMER: Decimal("70.00")}


@pytest.mark.parametrize(
    ("changes", "parameters", "detail"),
    [
        ({"due_to_recipient_amount": "60.00"}, {}, "push_callback"),
        ({"status": "void"}, {}, "unknown_status"),
        ({"site_customer_identifier": "c" * 300}, {}, "not stored"),
        ({"payment_amount": "a lot"}, {"version": "2.0"}, "cannot be set"),
        ({"payment_amount": "a lot"}, {"user_agent_string": "x"}, "cannot be set"),
    ],
)
def test_replay_of_unprocessable_callback_rejected(
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    replay: Callable[..., dict[str, Any]],
    changes: dict[str, str],
    parameters: dict[str, str],
    detail: str,
) -> None:
    assert confirm(confirmation(**changes)).status == 200
    response = replay(parameters=parameters)
    assert response["status"] == "rejected"
    assert detail in response["detail"]
    assert ledger_table.balances() == {}


def test_replay_with_corrected_status_posts_and_records(
    confirm: LambdaFunction, ledger_table: LedgerFixture, replay: Callable[..., dict[str, Any]]
) -> None:
    assert confirm(confirmation(status="completed")).status == 200
    assert replay(parameters={"status": "payment"})["detail"] == "processed"
    [item] = [item for item in ledger_table.all_items() if item["sk"] == "QUARANTINE"]
    recorded = {name: item[name] for name in ("resolution", "resolved_by", "resolved_why", "resolved_parameters")}
    assert recorded == {
        "resolution": "replayed",
        "resolved_by": WHO["operator"],
        "resolved_why": WHO["why"],
        "resolved_parameters": {"status": "payment"},
    }
    assert {"resolved_at", "resolved_with_version", "expires_at_epoch"} <= item.keys()
    assert "pending_since" not in item


def test_quarantined_authorization_not_replayed(
    authorize: LambdaFunction, ledger_table: LedgerFixture, replay: Callable[..., dict[str, Any]]
) -> None:
    assert authorize(authorization(payment_amount="4.999")).fields["accept_payment"] == "no"
    assert "already received a decline" in replay(parameters={"payment_amount": "5.00"})["detail"]
    assert "decision" not in ledger_table.payment()


def test_discarded_callback_has_no_effect(
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    operate: Callable[..., dict[str, Any]],
) -> None:
    assert confirm(confirmation(payment_type="push-debit")).status == 200
    [callback] = operate("list")["callbacks"]
    for status in ("discarded", "already_resolved"):
        assert operate("discard", identifier=callback["identifier"], **WHO)["status"] == status
    assert operate("discard", identifier=f"{SITE}/0", **WHO)["status"] == "not_found"
    assert operate("list") == {"callbacks": []}
    assert ledger_table.balances() == {}
    assert captured_output.metric_total("QuarantineDiscarded") == 1


@pytest.mark.parametrize("marker", ["due_to_recipient_fee", "due_to_recipient_amount", "due_to_recipient_name"])
def test_push_callback_never_replayed_as_received(
    confirm: LambdaFunction, ledger_table: LedgerFixture, replay: Callable[..., dict[str, Any]], marker: str
) -> None:
    assert confirm(confirmation(**{marker: "0.00"})).status == 200
    assert replay()["status"] == "rejected"
    assert ledger_table.balances() == {}


@pytest.mark.parametrize("endpoint", ["confirm", "authorize", "reverse"])
def test_reversal_by_its_reason_only_replayed_as_reversal(
    cold_start: Callable[[str], LambdaFunction],
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    replay: Callable[..., dict[str, Any]],
    endpoint: str,
) -> None:
    assert confirm(confirmation(payment_amount="100.00", net_payment_amount="100.00")).status == 200
    message = confirmation(payment_amount="30.00", net_payment_amount="30.00", reverse_reason="Cardholder dispute")
    function = cold_start(endpoint)
    with pytest.MonkeyPatch.context() as patch:
        if endpoint == "reverse":
            patch.setattr(function.app, "reverse", None)
        assert function(message).status == 200

    assert replay()["status"] == "replayed"
    assert cold_start("reverse")(message).status == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("70.00")}


def test_consumer_text_in_order_identifier_not_stored_or_logged(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    text = "80080175585pnm_payment_identifier830466818968retailer_nameJane"
    changes = {"pnm_payment_identifier": None, "pnm_order_identifier": text}
    assert confirm(confirmation(**changes)).status == 200
    assert confirm(confirmation(pnm_payment_identifier="830466818968receiver_phoneJane")).status == 200
    assert "Jane" not in str(ledger_table.all_items()) + captured_output.text()
