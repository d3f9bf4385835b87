"""The grants of a stack's roles, one by one: which are used, and a role without one of them.

A grant is one action on one resource under one value of the condition: a statement with two actions, three resources
and two allowed senders is twelve grants.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.system import LocalSystem
from local.template.roles import Permission, Role, statement_covers
from local.template.stack import Stack


@dataclass(frozen=True, order=True)
class Grant:
    """`role`: the label of its function, else the name of the role without the stack's. `condition`: (operator, key,
    value) each."""

    role: str
    action: str
    resource: str
    condition: tuple[tuple[str, str, str], ...] = ()

    @property
    def statement(self) -> dict[str, Any]:
        condition: dict[str, dict[str, str]] = {}
        for operator, key, value in self.condition:
            condition.setdefault(operator, {})[key] = value
        return {"Effect": "Allow", "Action": self.action, "Resource": self.resource, "Condition": condition}

    @property
    def short_resource(self) -> str:
        """Without partition, service, region and account."""
        return re.sub(r"^arn:aws:[a-z0-9-]*:[a-z0-9-]*:\d*:", "", self.resource)

    def __str__(self) -> str:
        under = "".join(f" if {key} is {value}" for _, key, value in self.condition)
        return f"{self.role}: {self.action} on {self.short_resource}{under}"


def role_labels(stack: Stack) -> dict[str, Role]:
    """The stack's roles by label."""
    functions = {spec.role.arn: spec.label for spec in stack.functions.values()}

    def label(arn: str, role: Role) -> str:
        return functions.get(arn) or re.sub(r"[0-9A-F]{8}$", "", role.name.removeprefix(f"{stack.name}-"))

    return {label(arn, role): role for arn, role in stack.roles.items()}


def grants_of(label: str, role: Role) -> list[Grant]:
    """Raises ValueError for a statement that cannot be taken apart."""
    found = []
    for statement in role.statements:
        if statement["Effect"] != "Allow" or not {"Action", "Resource"} <= statement.keys():
            raise ValueError(f"{label}: neither an Allow with Action and Resource: {statement}")
        conditions = [
            [(operator, key, value) for value in _as_list(values)]
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        for action, resource, *condition in itertools.product(
            _as_list(statement["Action"]), _as_list(statement["Resource"]), *conditions
        ):
            found.append(Grant(label, action, resource, tuple(condition)))
    return found


class GrantUse:
    """Notes which grants each scenario uses, and which calls are denied, for as long as it is attached to a system."""

    def __init__(self, system: LocalSystem) -> None:
        self.roles = role_labels(system.stack)
        self.grants = {label: grants_of(label, role) for label, role in self.roles.items()}
        self.scenarios: dict[Grant, set[str]] = defaultdict(set)
        self.denied: list[tuple[str, Permission]] = []
        """Role and permission, of the scenario that runs."""
        self.scenario = ""
        self._withheld: dict[str, Grant] = {}
        for label, role in self.roles.items():
            role.statements = [grant.statement for grant in self.grants[label]]
            role.observe = lambda permission, allowed, label=label: self._note(label, permission, allowed)

    def all(self) -> list[Grant]:
        return sorted(grant for grants in self.grants.values() for grant in grants)

    def covering(self, label: str, permission: Permission) -> list[Grant]:
        return [grant for grant in self.grants[label] if statement_covers(grant.statement, permission)]

    @contextmanager
    def without(self, grant: Grant, *, expected: bool = False) -> Iterator[None]:
        """The role without this grant. `expected`: the scenario wants the denials, and they are not noted."""
        role = self.roles[grant.role]
        before = role.statements
        role.statements = [statement for statement in before if statement != grant.statement]
        if expected:
            self._withheld[grant.role] = grant
        try:
            yield
        finally:
            role.statements = before
            self._withheld.pop(grant.role, None)

    def _note(self, label: str, permission: Permission, allowed: bool) -> None:
        if allowed:
            if self.scenario:
                for grant in self.covering(label, permission):
                    self.scenarios[grant].add(self.scenario)
            return
        withheld = self._withheld.get(label)
        if withheld is None or not statement_covers(withheld.statement, permission):
            self.denied.append((label, permission))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
