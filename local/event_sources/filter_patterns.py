"""Event filter patterns of event source mappings (the subset of EventBridge's that Lambda takes)."""

from __future__ import annotations

import operator
from typing import Any

_COMPARISONS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MISSING = object()


class PatternError(Exception):
    """A rule that the local runtime does not know."""


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Whether every field of the pattern fits the event. A list is alternatives, an object goes deeper."""
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(matches(alternative, event) for alternative in wanted):
                return False
            continue
        value = event.get(key, _MISSING) if isinstance(event, dict) else _MISSING
        if isinstance(wanted, dict):
            if not matches(wanted, {} if value is _MISSING else value):
                return False
        elif isinstance(wanted, list):
            if not _any_rule_fits(wanted, value):
                return False
        else:
            raise PatternError(f"{key}: a rule is a list or an object, not {wanted!r}")
    return True


def _any_rule_fits(rules: list[Any], value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_rule_fits(rule, item) for rule in rules for item in values or [_MISSING])


def _rule_fits(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return value is not _MISSING and _equal(rule, value)
    [(kind, argument)] = rule.items()
    if kind == "exists":
        return bool(argument) == (value is not _MISSING)
    if value is _MISSING:
        return False
    match kind:
        case "prefix":
            return isinstance(value, str) and value.startswith(argument)
        case "suffix":
            return isinstance(value, str) and value.endswith(argument)
        case "equals-ignore-case":
            return isinstance(value, str) and value.lower() == argument.lower()
        case "anything-but":
            return not _any_rule_fits(argument if isinstance(argument, list) else [argument], value)
        case "numeric":
            pairs = zip(argument[::2], argument[1::2], strict=True)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and all(_COMPARISONS[name](value, bound) for name, bound in pairs)
        case _:
            raise PatternError(f"the local runtime does not know the rule {kind!r}")


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)
