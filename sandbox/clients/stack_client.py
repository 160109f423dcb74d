"""One object for whoever drives a running stack: PayNearMe's part, the app's backend's part, the books."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.callback_sender import CallbackSender
from sandbox.clients.sample_messages import Parameters
from sandbox.stack.stack import Stack

_from_wire = TypeDeserializer().deserialize

# What a reversal can carry of the confirmation that came before it, as far as its names are public.
_REVERSAL_FIELDS = (
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


class LedgerReader:
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

    def scan(self) -> list[dict[str, Any]]:
        """Return all items."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table)
        return [_from_wire_item(item) for page in pages for item in page["Items"]]

    def _item(self, pk: str, sk: str) -> dict[str, Any] | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        response = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _from_wire_item(response["Item"]) if "Item" in response else None


def _from_wire_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_wire(value) for name, value in item.items()}


def new_sender(stack: Stack) -> CallbackSender:
    """Return PayNearMe's sender of callbacks for ``stack``."""
    return CallbackSender(stack.callback_url, stack.sites)


def new_backend(stack: Stack, timeout: float = 12) -> BackendClient:
    """Return the app's backend as a caller of ``stack`` that waits ``patience`` seconds."""
    return BackendClient(stack.backend_url, stack.region, stack.access_key_id, stack.secret_access_key, timeout)


def build_confirmation(authorization: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the confirmation that PayNearMe sends after ``authorization``, with ``changes``.

    A change to None leaves a parameter out.
    """
    omitted = {
        "payment_date",
        "timestamp",
        "signature",
        "user_agent_string",
        "user_environment",
        "user_device",
    }
    copied_fields = {name: value for name, value in authorization.items() if name not in omitted}
    message = {**copied_fields, "status": "payment", "standin": "false", **changes}
    return {name: value for name, value in message.items() if value is not None}


def build_reversal(confirmation: Mapping[str, str | bool], **changes: str | bool | None) -> Parameters:
    """Return the reversal that PayNearMe sends when the money of ``confirmation`` comes back.

    A bank returns all of it, unless ``changes`` say otherwise; one to None leaves a parameter out. The
    names are public, the values are ours.
    """
    copied_fields = {name: confirmation[name] for name in _REVERSAL_FIELDS if name in confirmation}
    message = {
        **copied_fields,
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
