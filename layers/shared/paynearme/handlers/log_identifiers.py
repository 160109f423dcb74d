"""Add the identifiers of orders and payments to the log line."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, TypeAdapter, ValidationError

from paynearme.platform.observability import add_log_fields
from paynearme.protocol.types import PnmIdentifier

_IDENTIFIERS = ("pnm_order_identifier", "pnm_payment_identifier")
_pnm_identifier: TypeAdapter[str] = TypeAdapter(PnmIdentifier)
# A moved boundary can append another parameter, with personal data, to an identifier.
_WITH_PARAMETER = re.compile(r"[0-9]{6}[a-z]")


def log_identifiers(parameters: Mapping[str, str]) -> None:
    """Log the order and the payment of a request, valid or not. Values that are not identifiers are skipped."""
    for name in _IDENTIFIERS:
        if _is_identifier(parameters.get(name)):
            add_log_fields(**{name: parameters[name]})


def log_order_identifiers(response: BaseModel) -> None:
    """Log the order or the orders of a response. A Smart Token can be for all orders of a customer."""
    models = [response, getattr(response, "order", None), *getattr(response, "orders", ())]
    identifiers = {getattr(model, "pnm_order_identifier", None) for model in models}
    orders = sorted(str(identifier) for identifier in identifiers if _is_identifier(identifier))
    if len(orders) == 1:
        add_log_fields(pnm_order_identifier=orders[0])
    elif orders:
        add_log_fields(pnm_order_identifiers=orders)


def _is_identifier(value: object) -> bool:
    try:
        return not _WITH_PARAMETER.search(_pnm_identifier.validate_python(value))
    except ValidationError:
        return False
