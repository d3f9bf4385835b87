"""The roles of the template and their identity policies, evaluated for every AWS call that a function makes.

Resource policies, permission boundaries and session policies are not evaluated. Conditions as far as the template
uses them; a condition operator that is not known is an error, never an allow.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.template.intrinsics import TemplateError

MANAGED_POLICIES = {
    "service-role/AWSLambdaBasicExecutionRole": [
        {"Effect": "Allow", "Action": ["logs:*"], "Resource": "*"},
    ],
    "service-role/AWSLambdaVPCAccessExecutionRole": [
        {"Effect": "Allow", "Action": ["logs:*", "ec2:*NetworkInterface*"], "Resource": "*"},
    ],
    "AWSXRayDaemonWriteAccess": [{"Effect": "Allow", "Action": ["xray:*"], "Resource": "*"}],
    "AWSXrayWriteOnlyAccess": [{"Effect": "Allow", "Action": ["xray:*"], "Resource": "*"}],
}


@dataclass(frozen=True)
class Permission:
    """One permission that a call needs."""

    action: str
    resource: str | None
    """None where it is not known here which resource the call is about: a grant for any resource suffices."""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PermissionDenied(Exception):
    needed: Permission
    explicit: bool

    def message(self, arn: str) -> str:
        """AWS's wording. `arn`: of the principal that was denied."""
        missing = f"{self.needed.action} on resource: {self.needed.resource or '*'}"
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
    trusted_services: frozenset[str]
    """Service principals that may assume it."""
    statements: list[dict[str, Any]] = field(default_factory=list)
    observe: Callable[[Permission, bool], None] = field(default=lambda _permission, _allowed: None, repr=False)
    """Called with each decision: a test records which grants are used."""

    def require(self, permissions: Iterable[Permission]) -> None:
        """Raise `PermissionDenied` for the first permission that is missing."""
        for permission in permissions:
            effects = {statement["Effect"] for statement in self.statements if statement_covers(statement, permission)}
            self.observe(permission, effects == {"Allow"})
            if effects != {"Allow"}:
                raise PermissionDenied(permission, explicit="Deny" in effects)


def statement_covers(statement: Mapping[str, Any], needed: Permission) -> bool:
    """Whether a policy statement applies to this action on this resource, in this context."""
    action = needed.action.lower()
    if "NotAction" in statement:
        if any(_fits_wildcard(pattern.lower(), action) for pattern in _as_list(statement["NotAction"])):
            return False
    elif not any(_fits_wildcard(pattern.lower(), action) for pattern in _as_list(statement["Action"])):
        return False
    if needed.resource is None:
        pass
    elif "NotResource" in statement:
        if any(_fits_wildcard(pattern, needed.resource) for pattern in _as_list(statement["NotResource"])):
            return False
    elif not any(_fits_wildcard(pattern, needed.resource) for pattern in _as_list(statement["Resource"])):
        return False
    return all(
        _condition_holds(operator, key, values, needed.context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _condition_holds(operator: str, key: str, values: Any, context: Mapping[str, str]) -> bool:
    if_exists = operator.endswith("IfExists")
    base = operator.removesuffix("IfExists")
    given = next((value for name, value in context.items() if name.lower() == key.lower()), None)
    wanted = [str(value) for value in _as_list(values)]
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
            found = any(_fits_wildcard(pattern, given) for pattern in wanted)
        case _:
            raise TemplateError(f"the local runtime does not know the condition operator {operator}")
    return found != negated


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=4096)
def _compiled_wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def _fits_wildcard(pattern: str, value: str) -> bool:
    return pattern in ("*", value) or _compiled_wildcard(pattern).match(value) is not None
