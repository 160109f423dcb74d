from typing import Any

import pytest

from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages

SECRET = "a-test-secret"
MESSAGES = [
    pytest.param(message, id=f"{kind}/{name}")
    for kind in (
        *("authorization", "confirmation", "reversal"),
        *("get_smart_token", "find_payment_methods", "make_payment"),
    )
    for name, message in sample_messages.load(kind).items()
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_stored_message_is_unsigned_and_verifies_once_signed(message: dict[str, Any]) -> None:
    assert "signature" not in message

    signed = messages.signed(message, SECRET)

    verify(signed, signed["signature"], [SECRET])
    assert signed.keys() == {*message, "timestamp", "version", "signature"}


def test_a_message_is_signed_for_the_given_moment_and_version() -> None:
    signed = messages.signed(sample_messages.load("authorization")["cash"], SECRET, "2.0", timestamp=1749067230)

    assert (signed["timestamp"], signed["version"]) == ("1749067230", "2.0")
    verify(signed, signed["signature"], [SECRET], "2.0")


def test_a_message_is_signed_for_now_unless_a_moment_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1800000000.9)

    assert messages.signed({}, SECRET)["timestamp"] == "1800000000"


def test_changes_replace_add_and_leave_out_parameters_before_signing() -> None:
    message: dict[str, str | bool] = {"payment_amount": "1.00", "memo": "x", "test": False}

    signed = messages.signed(message, SECRET, payment_amount="2.00", memo=None, standin=True)

    assert (signed["payment_amount"], signed["test"], signed["standin"]) == ("2.00", "false", "true")
    assert "memo" not in signed
    verify(signed, signed["signature"], [SECRET])
    assert message == {"payment_amount": "1.00", "memo": "x", "test": False}


def test_a_signature_that_was_there_is_replaced() -> None:
    assert messages.signed({"signature": "old", "a": "1"}, SECRET, timestamp=1) == messages.signed(
        {"a": "1"}, SECRET, timestamp=1
    )


def test_nothing_is_signed_with_an_empty_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        messages.signed({}, "")


def test_a_fresh_payment_has_a_new_identifier_of_twelve_digits_and_nothing_else_is_new() -> None:
    cash = sample_messages.load("authorization")["cash"]

    first, second = messages.with_new_identifier(cash), messages.with_new_identifier(cash)

    identifiers = [message.pop("pnm_payment_identifier") for message in (cash, first, second)]
    assert len(set(identifiers)) == 3
    assert all(len(identifier) == 12 and identifier.isdecimal() for identifier in identifiers)
    assert first == second == cash
