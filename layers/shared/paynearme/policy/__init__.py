"""The policy document, and the pure rules that decide authorizations."""

from paynearme.policy.calendar import Window, WindowKind
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
from paynearme.policy.reasons import UNDECIDED_REASONS, Decision, Reason
from paynearme.policy.rules import RULES, Limit, applicable_limits, decide, decision_for
from paynearme.policy.texts import DEFAULT_TEXTS, ConsumerText

__all__ = [
    "DEFAULT_TEXTS",
    "RULES",
    "UNDECIDED_REASONS",
    "ConsumerText",
    "CustomerStatus",
    "Decision",
    "DecisionContext",
    "Limit",
    "MerchantCustomer",
    "MerchantOrder",
    "OrderStatus",
    "OrderType",
    "PolicyDocument",
    "Reason",
    "SitePolicy",
    "TypeName",
    "Window",
    "WindowKind",
    "WindowTotals",
    "applicable_limits",
    "decide",
    "decision_for",
    "payment_type_name",
    "read_policy",
]
