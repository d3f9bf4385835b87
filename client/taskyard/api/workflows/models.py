"""Workflows and their nodes as the API answers them, typed. Fields that this version does not know are kept in
`raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from taskyard.api.json_fields import Json
from taskyard.api.notifications import Notification, notifications_of
from taskyard.times import instant_of

ENDED_STATES = frozenset({"SUCCESS", "FAILED", "CANCELLED", "TIMED_OUT"})


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it was when it was read. It is a task: `Taskyard.get(node.id)` reads its other fields."""

    id: str
    name: str
    type: str
    state: str
    attempt: int = 0
    max_attempts: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    error_type: str | None = None
    reason: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Json) -> "Node":
        return cls(
            id=str(document["id"]),
            name=str(document["name"]),
            type=str(document["type"]),
            state=str(document["state"]),
            attempt=int(document.get("attempt") or 0),
            max_attempts=document.get("maxAttempts"),
            started_at=instant_of(document, "startedAt"),
            ended_at=instant_of(document, "endedAt"),
            error=document.get("error"),
            error_type=document.get("errorType"),
            reason=document.get("reason"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class Workflow:
    """counts: nodes per state; nodes that have not ended and were not read one by one count as `OPEN`. nodes: a page of
    them, only in the answer of `get`; cursor: of the next page. notifications: the delivery to each target of its
    `notify`; not in lists."""

    id: str
    name: str
    state: str
    round: int = 1
    node_count: int = 0
    edge_count: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_seconds: int | None = None
    on_failure: str | None = None
    idempotency_key: str | None = None
    notifications: tuple[Notification, ...] = ()
    nodes: tuple[Node, ...] = ()
    cursor: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def succeeded(self) -> bool:
        return self.state == "SUCCESS"

    @classmethod
    def from_json(cls, document: Json) -> "Workflow":
        return cls(
            id=str(document["id"]),
            name=str(document.get("name") or ""),
            state=str(document["state"]),
            round=int(document.get("round") or 1),
            node_count=int(document.get("nodeCount") or 0),
            edge_count=int(document.get("edgeCount") or 0),
            counts=dict(document.get("counts") or {}),
            reason=document.get("reason"),
            created_at=instant_of(document, "createdAt"),
            started_at=instant_of(document, "startedAt"),
            ended_at=instant_of(document, "endedAt"),
            deadline_seconds=document.get("deadlineSeconds"),
            on_failure=document.get("onFailure"),
            idempotency_key=document.get("idempotencyKey"),
            notifications=notifications_of(document),
            nodes=tuple(Node.from_json(node) for node in document.get("nodes") or ()),
            cursor=document.get("cursor") or None,
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    workflows: tuple[Workflow, ...]
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "WorkflowPage":
        return cls(tuple(Workflow.from_json(item) for item in document["workflows"]), document.get("cursor") or None)
