"""The task as its record stores it (docs/data-model.md). Times are epoch ms, durations are seconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from taskyard.tasks.retry import RetryPolicy

from functions.core.payloads.masking import Mask
from functions.core.states import TERMINAL, State, displayed_state

ATTEMPT_HISTORY_LIMIT = 20
"""Failed attempts that a record stores; the oldest are dropped first. With the limits below the record stays under 60
KB, in any script: twenty errors of at most 2 KB, one traceback, and four logs (three in the history, one of the attempt
that ended it)."""
REDRIVE_HISTORY_LIMIT = 10
ERROR_LIMIT = 500
TRACEBACK_BYTES = 1000
"""A kilobyte is one write unit: a long chain costs one more at most, and the next attempt that fails takes its place.
An ordinary one has about 100 bytes, and rides in the unit of a small task (tests/unit/test_records.py)."""
UNCHARGED_ATTEMPTS_LIMIT = 10
"""Attempts of one history that may go uncharged because they could not run. A further one is charged like a failure:
without the limit, a task that never gets to run would be retried for ever."""

MAX_RUN_AT_DELAY_MS = 5 * 366 * 24 * 3600 * 1000
"""A task may be scheduled up to five years ahead. A later time is most likely a typing error."""


def last_bytes(text: str, limit: int) -> str:
    """At most the last `limit` bytes of it in UTF-8."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return "…" + encoded[3 - limit :].decode(errors="ignore")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One execution that has ended. outcome: SUCCESS, RETRY, FAILED, DEAD or LOST (its worker died)."""

    number: int
    started_at: int
    ended_at: int
    outcome: str
    error_type: str | None = None
    error: str | None = None
    where: str | None = None
    traceback: str | None = None
    """Short, causes first; of the last attempt in the history only."""
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """A JSON document: stored in the record itself (`inline`), or elsewhere under the reference `ref` (`item:…`,
    `s3:…`)."""

    inline: str | None = None
    ref: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunMembership:
    """A task's place in a workflow run. `releases`, `upstreams`: indexes of the plan; `*_chunks` counts the chunk items
    with the indexes that do not fit the record. `deadline_at`: epoch seconds, the deadline of the run: no node expires
    while its run may go on."""

    run: str
    round: int
    nodes: int
    fail_fast: bool
    deadline_at: int
    index: int
    name: str
    releases: tuple[int, ...] = ()
    release_chunks: int = 0
    upstreams: tuple[int, ...] = ()
    upstream_chunks: int = 0


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. Immutable: a store's write returns the next one."""

    tenant: str
    id: str
    type: str
    state: State
    created_at: int
    available_at: int
    generation: int = 1
    attempt: int = 0
    priority: int = 5
    timeout_seconds: int
    retry: RetryPolicy
    payload: Document
    mask: Mask | None = None
    """Of the parts of the payload that only the handler may see (functions/core/payloads/masking.py)."""
    digest: str
    """A hash of what the request asks for, independent of its spelling. It tells a repeated submit from a reused
    key."""
    idempotency_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lease_until: int = 0
    holder: str | None = None
    """The id of the claim that holds the lease. A worker that lost the answer to its claim recognizes its own by it."""
    started_at: int | None = None
    ended_at: int | None = None
    result: Document | None = None
    log: tuple[str, ...] = ()
    history: tuple[Attempt, ...] = ()
    progress: dict[str, Any] | None = None
    redrives: tuple[dict[str, Any], ...] = ()
    """Who ran a dead letter again, and when: {by, at (epoch ms), attempts}, with the `mark` of a KeyedChange under an
    idempotency key; the last REDRIVE_HISTORY_LIMIT."""
    last_change_mark: str | None = None
    """The mark of the last KeyedChange to this task while it waited."""
    reason: str | None = None
    """Why the task is in its state, where the state alone does not say so."""
    dependencies: tuple[str, ...] = ()
    waiting_for: frozenset[str] = frozenset()
    has_dependents: bool = False
    expires_at: int | None = None
    """Epoch seconds, as DynamoDB's TTL wants it."""
    notify: tuple[dict[str, Any], ...] = ()
    """Targets of the notifications of its end (functions/core/notifications/targets.py)."""
    membership: RunMembership | None = None
    """Set for a node of a workflow run. `waiting_for` then holds indexes of the plan, not task ids."""

    @property
    def settled(self) -> bool:
        return self.state in TERMINAL

    def state_at(self, now: int) -> State:
        return displayed_state(self.state, self.available_at, now)

    def with_changes(self, **changes: Any) -> Task:
        return replace(self, **changes)


def id_for_key(tenant: str, key: str) -> str:
    """The task id of an idempotency key. The conditional put under that id is the deduplication."""
    return to_base32(hashlib.sha256(f"{tenant}\0{key}".encode()).digest()[:16])


def time_ordered_id(now: int, random: int) -> str:
    """A time-ordered id: 48 bits of epoch ms, then 80 bits of `random`, like a ULID."""
    return to_base32(((now & (2**48 - 1)) << 80 | random & (2**80 - 1)).to_bytes(16))


BASE32_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: sorts as the number does, no letter that reads as a digit."""
RUN_ID_PATTERN = f"[{BASE32_ALPHABET}]{{26}}"
TASK_ID_PATTERN = f"{RUN_ID_PATTERN}(-[0-9]{{1,5}})?"
"""Regular expressions. A node of a workflow has the id `<run>-<index>`."""


def to_base32(data: bytes) -> str:
    """16 bytes as 26 characters."""
    number = int.from_bytes(data)
    return "".join(BASE32_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
