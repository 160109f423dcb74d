"""Clients of a running stack: the callback sender, the backend, and a reader of the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from sandbox.clients.backend_client import BackendClient
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.stack.stack import Stack

_from_wire = TypeDeserializer().deserialize


class LedgerReader:
    """Read items of the ledger's table without the functions."""

    def __init__(self, stack: Stack) -> None:
        """Create a reader of the table of ``stack``, with the permissions of the root user."""
        self._client = stack.client("dynamodb")
        self._table = stack.table_name

    def payment(self, site: str, pnm_payment_identifier: str, *, test: bool = False) -> dict[str, Any] | None:
        """Return the item of a payment, or None."""
        return self._item(f"{'TEST#' if test else ''}PAYMENT#{site}#{pnm_payment_identifier}", "PAYMENT")

    def balance(self, site: str, site_customer_identifier: str) -> Decimal:
        """Return the balance of a customer, or zero without an account."""
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
    """Return a sender of callbacks to ``stack``."""
    return CallbackSender(stack.callback_url, stack.sites)


def new_backend(stack: Stack, timeout: float = 12) -> BackendClient:
    """Return a client of the backend API of ``stack``. ``timeout`` is in seconds."""
    return BackendClient(stack.backend_url, stack.region, stack.access_key_id, stack.secret_access_key, timeout)
