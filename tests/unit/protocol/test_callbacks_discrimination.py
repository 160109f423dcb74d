"""The URL of a callback is not signed, so each endpoint rejects the other authentic callbacks."""

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.protocol.callbacks import Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal


@pytest.mark.parametrize("message", [valid_authorization(), valid_confirmation(), valid_confirmation(status="decline")])
def test_reversal_from_other_callback_rejected(message: dict[str, str]) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(Reversal, message)
    assert exc_info.value.errors == {"reverse_type": "is required"}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_confirmation_from_reversal_any_status_rejected(status: str) -> None:
    amounts = {"net_payment_amount": "350.00", "net_payment_currency": "USD"}
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(Confirmation, valid_reversal(status=status, **amounts))
    assert all(name.startswith("reverse_") for name in exc_info.value.errors)
