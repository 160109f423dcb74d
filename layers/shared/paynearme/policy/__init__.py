"""The decision: the merchant's policy as a document, and pure rules that apply it."""

from paynearme.policy.calendar import Window, WindowKind, windows_at
from paynearme.policy.context import (
    CustomerStatus,
    DecisionContext,
    MerchantCustomer,
    MerchantOrder,
    OrderStatus,
    OrderType,
    TypeName,
    WindowTotals,
    payment_type_name,
)
from paynearme.policy.document import PolicyDocument, SitePolicy, read_policy
from paynearme.policy.reasons import Decision, Reason
from paynearme.policy.rules import RULES, Limit, applicable_limits, decide, decision_for
from paynearme.policy.texts import DEFAULT_TEXTS, ConsumerText

__all__ = [
    "DEFAULT_TEXTS",
    "RULES",
    "Limit",
    "MerchantCustomer",
    "CustomerStatus",
    "Decision",
    "DecisionContext",
    "MerchantOrder",
    "OrderStatus",
    "OrderType",
    "PolicyDocument",
    "Reason",
    "SitePolicy",
    "WindowTotals",
    "ConsumerText",
    "TypeName",
    "Window",
    "WindowKind",
    "applicable_limits",
    "decide",
    "decision_for",
    "read_policy",
    "payment_type_name",
    "windows_at",
]
