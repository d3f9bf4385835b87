"""Identity policies: may this role do this? Evaluated for every AWS call that a function makes.

Resource policies, permission boundaries and session policies are not evaluated. Conditions as far as the template
uses them; a condition operator that is not known is an error, never an allow.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.template.intrinsics import TemplateError

MANAGED_POLICIES = {
    "service-role/AWSLambdaBasicExecutionRole": [
        {"Effect": "Allow", "Action": ["logs:*"], "Resource": "*"},
    ],
    "AWSXRayDaemonWriteAccess": [{"Effect": "Allow", "Action": ["xray:*"], "Resource": "*"}],
    "AWSXrayWriteOnlyAccess": [{"Effect": "Allow", "Action": ["xray:*"], "Resource": "*"}],
}


@dataclass(frozen=True)
class Needed:
    """One permission that a call needs."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Denied(Exception):
    needed: Needed
    explicit: bool

    def message(self, arn: str) -> str:
        """As AWS says it. `arn`: of whoever was denied."""
        missing = f"{self.needed.action} on resource: {self.needed.resource}"
        return f"User: {arn} is not authorized to perform: {missing} {self.reason()}"

    def reason(self) -> str:
        if self.explicit:
            return "with an explicit deny in an identity-based policy"
        return f"because no identity-based policy allows the {self.needed.action} action"


@dataclass
class Role:
    """An IAM role of the template."""

    name: str
    arn: str
    trusted: frozenset[str]
    """Service principals that may assume it."""
    statements: list[dict[str, Any]] = field(default_factory=list)

    def check(self, needs: Iterable[Needed]) -> None:
        """Raise `Denied` for the first permission that is missing."""
        for needed in needs:
            allowed = False
            for statement in self.statements:
                if matches(statement, needed):
                    if statement["Effect"] == "Deny":
                        raise Denied(needed, explicit=True)
                    allowed = True
            if not allowed:
                raise Denied(needed, explicit=False)


def matches(statement: Mapping[str, Any], needed: Needed) -> bool:
    """Whether a policy statement speaks of this action on this resource, in this context."""
    action = needed.action.lower()
    if "NotAction" in statement:
        if any(_like(pattern.lower(), action) for pattern in _list(statement["NotAction"])):
            return False
    elif not any(_like(pattern.lower(), action) for pattern in _list(statement["Action"])):
        return False
    if "NotResource" in statement:
        if any(_like(pattern, needed.resource) for pattern in _list(statement["NotResource"])):
            return False
    elif not any(_like(pattern, needed.resource) for pattern in _list(statement["Resource"])):
        return False
    return all(
        _condition(operator, key, values, needed.context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _condition(operator: str, key: str, values: Any, context: Mapping[str, str]) -> bool:
    if_exists = operator.endswith("IfExists")
    base = operator.removesuffix("IfExists")
    given = next((value for name, value in context.items() if name.lower() == key.lower()), None)
    wanted = [str(value) for value in _list(values)]
    if base == "Null":
        return (given is None) == (wanted[0].lower() == "true")
    negated = base.startswith(("StringNot", "ArnNot"))
    if given is None:
        return if_exists or negated
    match base:
        case "StringEquals" | "StringNotEquals":
            found = given in wanted
        case "Bool":
            found = given.lower() in [value.lower() for value in wanted]
        case "StringLike" | "StringNotLike" | "ArnLike" | "ArnEquals" | "ArnNotLike" | "ArnNotEquals":
            found = any(_like(pattern, given) for pattern in wanted)
        case _:
            raise TemplateError(f"the local runtime does not know the condition operator {operator}")
    return found != negated


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def _like(pattern: str, value: str) -> bool:
    return pattern in ("*", value) or _pattern(pattern).match(value) is not None
