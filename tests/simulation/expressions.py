"""Evaluate the DynamoDB expressions that the layer generates. All others are errors."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from paynearme.platform.dynamodb import Item

_TERM = re.compile(r"attribute_not_exists\((\w+)\)|(\w+) (=|<=) (:\w+)")
_INNERMOST = re.compile(r"\(([^()]*)\)")
_CLAUSE = re.compile(r"\b(SET|ADD|REMOVE) (.*?)(?= (?:ADD|REMOVE) |$)")
_ACTION = re.compile(r"(#n\d+)(?: = (:v\d+)| = if_not_exists\(\1, (:v\d+)\)| (:v\d+)|)(?:, |$)")


class UnsupportedRequestError(AssertionError):
    """DynamoDB rejects the request, or the store does not support it."""


def require(condition: bool, description: object) -> None:
    """Raise ``UnsupportedRequestError`` if ``condition`` is false."""
    if not condition:
        raise UnsupportedRequestError(description)


def placeholders(expression: str) -> set[str]:
    """Return the placeholders of values in an expression."""
    return set(re.findall(r":\w+", expression))


def is_satisfied(expression: str, item: Item, values: Mapping[str, Any]) -> bool:
    """Evaluate ``attribute_not_exists``, ``=`` and ``<=`` with ``AND``, ``OR`` and parentheses."""

    def evaluate_term(match: re.Match[str]) -> str:
        absent, name, operator, placeholder = match.groups()
        if absent:
            return str(absent not in item)
        stored: Any = item.get(name)
        value = values[placeholder]
        # ``True`` and 1 differ in DynamoDB.
        if type(stored) is not type(value):
            return "False"
        return str(stored == value if operator == "=" else bool(stored <= value))

    text = _TERM.sub(evaluate_term, expression)
    while "(" in text:
        text, count = _INNERMOST.subn(lambda match: str(_evaluate(match[1])), text)
        require(count > 0, f"unsupported condition {expression}")
    return _evaluate(text)


def _evaluate(text: str) -> bool:
    parts = [part.split(" AND ") for part in text.split(" OR ")]
    require({word for words in parts for word in words} <= {"True", "False"}, f"unsupported condition {text}")
    return any(all(word == "True" for word in words) for words in parts)


def updated(expression: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> Item:
    """Return the changed item of an update expression. ``item`` remains unchanged."""
    result = dict(item)
    actions = _actions(expression)
    require(len({name for _, name, *_ in actions}) == len(actions) == len(names), f"paths in {expression}")
    for verb, name, assigned, default, added in actions:
        attribute = names[name]
        if verb == "REMOVE":
            result.pop(attribute, None)
        elif verb == "ADD":
            value = values[added]
            if attribute in item:
                require(type(item[attribute]) is type(value), f"ADD to {attribute} of another type")
                value = item[attribute] | value if isinstance(value, set) else item[attribute] + value
            result[attribute] = value
        elif default:
            result.setdefault(attribute, values[default])
        else:
            result[attribute] = values[assigned]
    return result


@lru_cache(maxsize=2048)
def _actions(expression: str) -> list[tuple[str, ...]]:
    """Return the verb, the name and the value of each action, as assigned value, default and added value."""
    actions = []
    for verb, text in _CLAUSE.findall(expression):
        found = list(_ACTION.finditer(text))
        require("".join(match[0] for match in found) == text, f"unsupported update {expression}")
        actions += [(verb, *match.groups(default="")) for match in found]
    kinds = {(verb, bool(assigned or default), bool(added)) for verb, _, assigned, default, added in actions}
    require(kinds <= {("SET", True, False), ("ADD", False, True), ("REMOVE", False, False)}, expression)
    rebuilt = " ".join(f"{verb} {text}" for verb, text in _CLAUSE.findall(expression))
    require(rebuilt == expression, f"unsupported update {expression}")
    return actions
