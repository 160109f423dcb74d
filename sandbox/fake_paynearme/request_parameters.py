"""Parse the parameters of a request. Each function raises ``RejectedError`` with code 9400 for an invalid one."""

import re
from collections.abc import Mapping
from decimal import Decimal

from sandbox.fake_paynearme.responses import RejectedError

_MONEY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


def required(parameters: Mapping[str, str], name: str) -> str:
    """Return the value of a required parameter."""
    if not parameters.get(name):
        raise RejectedError(f"Missing: {name}", "9400")
    return parameters[name]


def one_of(parameters: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """Return the name and value of the only parameter among ``names``."""
    present = [(name, parameters[name]) for name in names if parameters.get(name)]
    if len(present) != 1:
        raise RejectedError(f"Exactly one is required: {', '.join(names)}", "9400")
    return present[0]


def parse_amount(text: str, *, minimum: str = "0.01") -> Decimal | None:
    """Return an amount with at most two decimal places, or None for an invalid amount."""
    amount = Decimal(text) if _MONEY.fullmatch(text) else None
    return amount if amount is not None and amount >= Decimal(minimum) else None


def usd_amount(
    parameters: Mapping[str, str], amount_name: str, currency_name: str, *, minimum: str = "0.01"
) -> Decimal:
    """Return the amount of ``amount_name``. The currency must be USD."""
    amount = parse_amount(required(parameters, amount_name), minimum=minimum)
    if amount is None:
        raise RejectedError(f"Not an amount: {amount_name}", "9400")
    if required(parameters, currency_name) != "USD":
        raise RejectedError(f"Not USD: {currency_name}", "9400")
    return amount
