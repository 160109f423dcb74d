"""Evaluate the DynamoDB expressions that ``platform/dynamodb.py`` and the ledger generate. All others are errors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from paynearme.platform.dynamodb import Item

type Values = Mapping[str, Any]
type Condition = Callable[[Item, Values], bool]
type Name = Callable[[Mapping[str, str]], str]

_TOKEN = re.compile(r"\s*(#\w+|:\w+|\w+|<=|[=(),])")
_ASSIGNMENT = re.compile(r"(#n\d+) = (:v\d+)")
_DEFAULT = re.compile(r"(#n\d+) = if_not_exists\((#n\d+), (:v\d+)\)")
_ADDITION = re.compile(r"(#n\d+) (:v\d+)")
_CLAUSE = re.compile(r"\b(SET|ADD|REMOVE) (.*?)(?= (?:ADD|REMOVE) |$)")


class UnsupportedRequestError(AssertionError):
    """DynamoDB rejects the request, or the store does not support it."""


def require(condition: bool, description: object) -> None:
    """Raise ``UnsupportedRequestError`` if ``condition`` does not hold."""
    if not condition:
        raise UnsupportedRequestError(description)


@dataclass(frozen=True)
class ParsedCondition:
    """A condition expression, and the placeholders of values in it."""

    evaluate: Condition
    placeholders: frozenset[str]


@lru_cache(maxsize=2048)
def parse_condition(expression: str) -> ParsedCondition:
    """Parse ``attribute_not_exists``, ``=`` and ``<=`` with ``AND``, ``OR`` and parentheses."""
    parser = _ConditionParser(expression)
    condition = parser.parse_any()
    require(not parser.tokens, f"unsupported condition {expression}")
    return ParsedCondition(condition, frozenset(parser.placeholders))


class _ConditionParser:
    def __init__(self, expression: str) -> None:
        self.tokens = _TOKEN.findall(expression)
        require("".join(self.tokens) == expression.replace(" ", ""), f"unsupported condition {expression}")
        self.tokens.reverse()
        self.placeholders: set[str] = set()

    def parse_any(self) -> Condition:
        conditions = [self.parse_all()]
        while self._accept("OR"):
            conditions.append(self.parse_all())
        return lambda item, values: any(condition(item, values) for condition in conditions)

    def parse_all(self) -> Condition:
        conditions = [self.parse_one()]
        while self._accept("AND"):
            conditions.append(self.parse_one())
        return lambda item, values: all(condition(item, values) for condition in conditions)

    def parse_one(self) -> Condition:
        if self._accept("("):
            condition = self.parse_any()
            self._expect(")")
            return condition
        name = self._next()
        if name == "attribute_not_exists":
            self._expect("(")
            attribute = self._next()
            self._expect(")")
            return lambda item, values: attribute not in item
        operator, placeholder = self._next(), self._next()
        require(name.isidentifier() and operator in ("=", "<=") and placeholder[0] == ":", f"{name} {operator}")
        self.placeholders.add(placeholder)
        if operator == "=":
            return lambda item, values: name in item and is_equal(item[name], values[placeholder])
        return lambda item, values: _is_at_most(item.get(name), values[placeholder])

    def _next(self) -> str:
        require(bool(self.tokens), "incomplete condition")
        return self.tokens.pop()

    def _accept(self, token: str) -> bool:
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False

    def _expect(self, token: str) -> None:
        require(self._accept(token), f"{token} is missing")


def is_equal(stored: Any, value: Any) -> bool:
    """Compare two values of the table. Values of different types differ, also ``True`` and 1."""
    return type(stored) is type(value) and bool(stored == value)


def _is_at_most(stored: Any, value: Any) -> bool:
    return type(stored) is type(value) and bool(stored <= value)


@dataclass(frozen=True)
class ParsedUpdate:
    """An update expression by clause. Each name and value is a placeholder."""

    assignments: tuple[tuple[str, str], ...]
    defaults: tuple[tuple[str, str], ...]
    additions: tuple[tuple[str, str], ...]
    removals: tuple[str, ...]
    placeholders: frozenset[str]

    def apply(self, item: Item, names: Mapping[str, str], values: Values) -> Item:
        """Return the changed item. ``item`` remains unchanged."""
        updated = dict(item)
        for name, placeholder in self.assignments:
            updated[names[name]] = values[placeholder]
        for name, placeholder in self.defaults:
            updated.setdefault(names[name], values[placeholder])
        for name, placeholder in self.additions:
            attribute, value = names[name], values[placeholder]
            if attribute in item:
                require(type(item[attribute]) is type(value), f"ADD to {attribute} of another type")
                value = item[attribute] | value if isinstance(value, set) else item[attribute] + value
            updated[attribute] = value
        for name in self.removals:
            updated.pop(names[name], None)
        return updated


@lru_cache(maxsize=2048)
def parse_update(expression: str) -> ParsedUpdate:
    """Parse ``SET`` with ``if_not_exists``, ``ADD`` and ``REMOVE``. Each attribute occurs once."""
    clauses = dict(_CLAUSE.findall(expression))
    rebuilt = " ".join(f"{verb} {text}" for verb, text in clauses.items())
    require(rebuilt == expression, f"unsupported update {expression}")
    assignments, defaults = [], []
    for part in re.split(r", (?=#n\d+ = )", clauses.get("SET", "")):
        if match := _DEFAULT.fullmatch(part):
            require(match[1] == match[2], f"unsupported default {part}")
            defaults.append((match[1], match[3]))
        elif part:
            assignments.append(_match(_ASSIGNMENT, part))
    additions = [_match(_ADDITION, part) for part in clauses.get("ADD", "").split(", ") if part]
    removals = [part for part in clauses.get("REMOVE", "").split(", ") if part]
    written = [name for name, _ in (*assignments, *defaults, *additions)] + removals
    require(len(written) == len(set(written)), f"overlapping paths in {expression}")
    placeholders = frozenset(value for _, value in (*assignments, *defaults, *additions))
    return ParsedUpdate(tuple(assignments), tuple(defaults), tuple(additions), tuple(removals), placeholders)


def _match(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise UnsupportedRequestError(f"unsupported update {text}")
    return match[1], match[2]
