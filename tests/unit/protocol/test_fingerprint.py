"""The fingerprint of a callback: equal for a retry in any spelling, different for other content."""

import re
from collections.abc import Callable

import pytest

from paynearme.protocol.callbacks import fingerprint
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import string_to_sign
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal

TIMESTAMPS = (None, "7", "1748969962123", "1748969962.5", "2025-06-03T17:00:00Z", "2025-06-03 12:00:00 -05:00")
UNUSUAL_TIMESTAMPS = ("2025-06-03t17:00:00z", "1e9", "1.748969962e+9", "-5", "abc", "Fri Nov 20")
NULLS = ("agent_name", "payment_arn", "reverse_reason", "standin", "test", "user_environment", "pnm_withheld_amount")


@pytest.mark.parametrize("valid", [valid_authorization, valid_confirmation, valid_reversal])
@pytest.mark.parametrize(
    "change",
    [
        *({"timestamp": timestamp} for timestamp in (*TIMESTAMPS, *UNUSUAL_TIMESTAMPS)),
        *({"version": version} for version in ("2.0", "3", "3.1", "3.10")),
        {"signature": "0" * 64, "format": "json"},
        *({name: ""} for name in NULLS),
        {"timestamp": ""},
        {**dict.fromkeys(NULLS, ""), "timestamp": "1748969962123", "version": "3"},
    ],
    ids=str,
)
def test_fingerprint_of_retry_in_other_spelling_equal(
    valid: Callable[..., dict[str, str]], change: dict[str, str | None]
) -> None:
    assert fingerprint(valid(**change)) == fingerprint(dict(reversed(valid().items())))
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(valid()))


@pytest.mark.parametrize(
    "change",
    [
        *({"reverse_amount": "100"}, {"reverse_code": "R02"}, {"payment_arn": "1"}, {"new": "1"}, {"new": ""}),
        *({"site_identifier": "S1"}, {"test": "true"}, {"reverse_currency": None}, {"reverse_code": ""}),
        # Any other time or version than the message's identifies a message.
        *({"risk_timestamp": "2"}, {"payment_timestamp": "2"}, {"risk_version": "3.1"}, {"payment_date": "7"}),
    ],
    ids=str,
)
def test_fingerprint_of_other_content_differs(change: dict[str, str | None]) -> None:
    message = {"risk_timestamp": "1", "payment_timestamp": "1", "risk_version": "3.0"}
    assert fingerprint(valid_reversal(**message | change)) != fingerprint(valid_reversal(**message))


def test_fingerprint_same_for_moved_timestamp_boundary() -> None:
    between = valid_reversal(payment_amount=None, version=None)
    injected = string_to_sign(between | {"timestamp": "1"}) + "user_agent_string"
    original = valid_reversal(payment_bank_name=f"B{injected}")
    split_message = valid_reversal(payment_bank_name="B", timestamp="1", user_agent_string=string_to_sign(between))

    assert string_to_sign(split_message) == string_to_sign(original)
    assert (split_message["timestamp"], original["timestamp"]) == ("1", "1748969962")
    assert fingerprint(split_message) == fingerprint(original)


def test_reversal_fingerprint_in_no_representation() -> None:
    reversal = read_message(Reversal, valid_reversal())
    assert reversal.fingerprint == fingerprint(valid_reversal())
    assert reversal.fingerprint not in f"{reversal!r} {reversal.model_dump()}"
