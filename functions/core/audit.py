"""Audit records: who did what, when, from where, to what, and with which outcome.

A record holds names of fields, never their values: no body and no payload. It is smaller than 1 KB, one write unit:
what is longer than its limit is cut in the middle, and `cut` names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Action(StrEnum):
    """What is audited. A route names its action in its declaration."""

    TASK_CHANGE = "task.change"
    TASK_CANCEL = "task.cancel"
    TASK_RETRY = "task.retry"
    TASKS_CANCEL = "tasks.cancel"
    DEAD_LETTERS_REDRIVE = "dead-letters.redrive"
    WORKFLOW_CANCEL = "workflow.cancel"
    WORKFLOW_RETRY = "workflow.retry"
    SCHEDULE_CREATE = "schedule.create"
    SCHEDULE_CHANGE = "schedule.change"
    SCHEDULE_PAUSE = "schedule.pause"
    SCHEDULE_RESUME = "schedule.resume"
    SCHEDULE_DELETE = "schedule.delete"
    SCHEDULE_RUN = "schedule.run"
    OPERATOR_READ = "operator.read"
    """A read in another tenant than the principal's own, or the refused attempt."""
    OPERATOR_SUBMIT = "operator.submit"
    """A submit in another tenant than the principal's own, or the refused attempt."""


TEXT_LIMITS: Mapping[str, int] = {
    "id": 40,
    "principal": 180,
    "principal_tenant": 84,
    "named_tenant": 84,
    "source_ip": 45,
    "user_agent": 80,
    "trace_id": 40,
}
"""Bytes. The longest id has 33 characters; a refused request may name any text as an id. A tenant of IAM principals has
82 at most."""
FIELDS_LIMIT = 120
"""Bytes of all names of fields, with a separator each."""
ELLIPSIS = "…"


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """`at`: epoch ms. `request_id`: of Lambda, as in the function's log. `tenant`: whose list the record is in: that
    of the data, or the principal's own when it may not act in the tenant that it named.

    `by_operator`: it acted in another tenant than its own; `principal_tenant` is its own then, if it has one.
    `named_tenant`: the one that it was refused. `action`: one of Action; of older records perhaps one that is gone.
    `operation`: name of the route. `status`, `problem`: of the answer; `problem` is the slug of the problem's type.
    `fields`: names of the body's fields. `counts`: of a bulk act. `cut`: which of these are not complete.
    """

    at: int
    request_id: str
    tenant: str
    principal: str
    action: str
    operation: str
    status: int
    principal_tenant: str | None = None
    named_tenant: str | None = None
    id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    problem: str | None = None
    fields: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
    by_operator: bool = False
    trace_id: str | None = None
    cut: tuple[str, ...] = ()

    def within_limits(self) -> AuditRecord:
        """The record with every text printable and cut to its limit."""
        cut = set(self.cut)
        shortened: dict[str, str] = {}
        for name, limit in TEXT_LIMITS.items():
            value: str | None = getattr(self, name)
            if value is None:
                continue
            # A header or a path may hold anything: what is shown moves no terminal's cursor, and is valid UTF-8.
            text = "".join(character if character.isprintable() else " " for character in value)
            if len(text.encode()) > limit:
                text = cut_in_the_middle(text, limit)
                cut.add(name)
            shortened[name] = text
        fields = first_fitting(self.fields, FIELDS_LIMIT)
        if len(fields) < len(self.fields):
            cut.add("fields")
        return replace(self, **shortened, fields=fields, cut=tuple(sorted(cut)))  # type: ignore[arg-type]


def cut_in_the_middle(text: str, limit: int) -> str:
    """Both ends of `text` with an ellipsis between, in at most `limit` bytes: a principal's name begins with what
    people know it by and ends with what distinguishes it."""
    encoded = text.encode()
    half = (limit - len(ELLIPSIS.encode())) // 2
    # A character that is cut in two is dropped.
    return encoded[:half].decode(errors="ignore") + ELLIPSIS + encoded[-half:].decode(errors="ignore")


def first_fitting(names: Iterable[str], limit: int) -> tuple[str, ...]:
    """The first of `names` that have at most `limit` bytes together, with a separator each."""
    fitting: list[str] = []
    size = 0
    for name in names:
        size += len(name.encode()) + 1
        if size > limit:
            break
        fitting.append(name)
    return tuple(fitting)
