"""One object for whoever drives a running stack: PayNearMe's part, the app's backend's part, the books."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.backend import Backend
from local.callbacks import CallbackSender
from local.events import Parameters
from local.stack import Stack

_from_wire = TypeDeserializer().deserialize

# What a reversal can carry of the confirmation that came before it, as far as its names are public.
_KEPT_IN_A_REVERSAL = (
    "pnm_order_identifier",
    "pnm_payment_identifier",
    "site_order_identifier",
    "site_customer_identifier",
    "site_payment_identifier",
    "site_identifier",
    "order_payee_identifier",
    "version",
    "test",
    "payment_amount",
    "payment_currency",
    "payment_timestamp",
    "payment_bank_name",
    "payment_bank_last4",
    "standin",
)


class Books:
    """What the table holds, read past the functions."""

    def __init__(self, stack: Stack) -> None:
        """Read the table of ``stack`` with the rights of the account's root."""
        self._client = stack.client("dynamodb")
        self._table = stack.table_name

    def payment(self, site: str, pnm_payment_identifier: str, *, test: bool = False) -> dict[str, Any] | None:
        """Return a payment's item, or None."""
        return self._item(f"{'TEST#' if test else ''}PAYMENT#{site}#{pnm_payment_identifier}", "PAYMENT")

    def balance(self, site: str, site_customer_identifier: str) -> Decimal:
        """Return a customer's balance; nothing where there is no account."""
        account = self._item(f"CUSTOMER#{site}#{site_customer_identifier}", "ACCOUNT") or {}
        balance: Decimal = account.get("balance", Decimal(0))
        return balance

    def everything(self) -> list[dict[str, Any]]:
        """Return all items."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table)
        return [_python(item) for page in pages for item in page["Items"]]

    def _item(self, pk: str, sk: str) -> dict[str, Any] | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _python(answer["Item"]) if "Item" in answer else None


def _python(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_wire(value) for name, value in item.items()}


def sender_of(stack: Stack) -> CallbackSender:
    """Return PayNearMe's sender of callbacks for ``stack``."""
    return CallbackSender(stack.callback_url, stack.sites)


def backend_of(stack: Stack, patience: float = 12) -> Backend:
    """Return the app's backend as a caller of ``stack`` that waits ``patience`` seconds."""
    return Backend(stack.backend_url, stack.region, stack.access_key_id, stack.secret_access_key, patience)


def confirmation_of(authorization: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the confirmation that PayNearMe sends after ``authorization``, with ``changes``.

    A change to None leaves a parameter out.
    """
    left_out = {
        "payment_date",
        "timestamp",
        "signature",
        "user_agent_string",
        "user_environment",
        "user_device",
    }
    kept = {name: value for name, value in authorization.items() if name not in left_out}
    message = {**kept, "status": "payment", "standin": "false", **changes}
    return {name: value for name, value in message.items() if value is not None}


def reversal_of(confirmation: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the reversal that PayNearMe sends when the money of ``confirmation`` comes back.

    A bank returns all of it, unless ``changes`` say otherwise; one to None leaves a parameter out. The
    names are public, the values are ours.
    """
    kept = {name: confirmation[name] for name in _KEPT_IN_A_REVERSAL if name in confirmation}
    message = {
        **kept,
        "status": "reversed",
        "reverse_amount": confirmation["payment_amount"],
        "reverse_currency": confirmation["payment_currency"],
        "reverse_type": "Bank Return",
        "reverse_code": "R01",
        "reverse_reason": "Insufficient Funds",
        "reverse_date": "2025-06-12",
        **changes,
    }
    return {name: value for name, value in message.items() if value is not None}
