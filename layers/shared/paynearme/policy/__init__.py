"""The decision: the merchant's policy as a document, and pure rules that apply it."""

from paynearme.policy.calendar import Window, WindowKind, windows_at
from paynearme.policy.document import PolicyDocument, SitePolicy, read_policy
from paynearme.policy.knowledge import (
    Customer,
    CustomerStatus,
    Knowledge,
    Order,
    OrderStatus,
    OrderType,
    Spending,
    TypeName,
    type_name,
)
from paynearme.policy.reasons import Decision, Reason
from paynearme.policy.rules import RULES, Ceiling, ceilings, decide, decision_for
from paynearme.policy.texts import DEFAULT_TEXTS, Text

__all__ = [
    "DEFAULT_TEXTS",
    "RULES",
    "Ceiling",
    "Customer",
    "CustomerStatus",
    "Decision",
    "Knowledge",
    "Order",
    "OrderStatus",
    "OrderType",
    "PolicyDocument",
    "Reason",
    "SitePolicy",
    "Spending",
    "Text",
    "TypeName",
    "Window",
    "WindowKind",
    "ceilings",
    "decide",
    "decision_for",
    "read_policy",
    "type_name",
    "windows_at",
]
