"""Writes on the task record. Each is one conditional write; a refusal returns what was found instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from functions.core.payloads.masking import Mask
from functions.core.settlement import Settlement, lost_attempt
from functions.core.states import DEAD_LETTER_STATES, State
from functions.core.task import REDRIVES_LIMIT, Document, Task
from functions.store import keys
from functions.store.records import (
    Item,
    document,
    dump,
    from_item,
    history_text,
    member_fields,
    number,
    policy_text,
    text,
    to_item,
)
from functions.store.table import ConditionFailed, Table, Updated


@dataclass(frozen=True)
class Applied:
    """The write landed: the task as it is now."""

    task: Task


@dataclass(frozen=True)
class Rejected:
    """The condition did not hold: the task as it was then, None when there is none."""

    task: Task | None


WriteResult = Applied | Rejected

CLAIMABLE_CONDITION = "#state IN (:pending, :ready, :retry)"
CLAIMABLE_VALUES: Item = {":pending": text("PENDING"), ":ready": text("READY"), ":retry": text("RETRY")}
FENCE_CONDITION = "#state = :running AND attempt = :fence"


RESERVED = frozenset({"state", "log", "result"})
"""Attributes of a task whose names DynamoDB takes in an expression only as `#state`, `#log`, `#result`."""


def fence_values(task: Task) -> Item:
    return {":running": text(State.RUNNING), ":fence": number(task.attempt)}


@dataclass(frozen=True, kw_only=True)
class TaskStore:
    """`shards`: partitions of a tenant's listings. `retention_seconds`: how long a settled task is kept."""

    table: Table
    shards: int
    retention_seconds: int

    # -- reading

    def get(self, tenant: str, task_id: str) -> Task | None:
        item = self.table.get(keys.key(tenant, task_id))
        return from_item(item) if item else None

    def get_many(self, tenant: str, ids: Iterable[str], *, consistent: bool = False) -> dict[str, Task]:
        unique = dict.fromkeys(ids)
        found = self.table.get_many((keys.key(tenant, task_id) for task_id in unique), consistent=consistent)
        return {task.id: task for task in map(from_item, found)}

    # -- submitting and changing what has not started

    def create(self, task: Task) -> WriteResult:
        """Found: the id is taken, by a repeated submit or by a reused key; the digests tell which."""
        return write_result(self.table.put(to_item(task, shards=self.shards), if_absent=True), task)

    def change(
        self,
        task: Task,
        *,
        state: State | None = None,
        generation: int | None = None,
        available_at: int | None = None,
        priority: int | None = None,
        payload: Document | None = None,
        mask: Mask | None = None,
        mark: str | None = None,
    ) -> WriteResult:
        """What a caller may change of a task that waits, if it is still the generation that was read. `mask`: of the
        new payload. `mark`: of the KeyedChange."""
        sets: Item = {}
        if mark is not None:
            sets["changeMark"] = text(mark)
        if state is not None:
            sets["#state"] = text(state)
        if generation is not None:
            sets["generation"] = number(generation)
        if available_at is not None:
            sets["availableAt"] = number(available_at)
        if priority is not None:
            sets["priority"] = number(priority)
        removed: tuple[str, ...] = ()
        if payload is not None:
            sets |= document("payload", payload)
            removed = ("payload",) if payload.ref else ("payloadRef",)
            if mask is not None:
                sets["mask"] = text(dump(mask))
            else:
                removed += ("mask",)
        return self._update(
            task,
            sets,
            remove=removed,
            condition=f"({CLAIMABLE_CONDITION} OR #state = :blocked) AND generation = :seen AND #state = :state",
            values=CLAIMABLE_VALUES
            | {
                ":blocked": text(State.BLOCKED),
                ":seen": number(task.generation),
                ":state": text(task.state),
            },
        )

    def cancel(self, task: Task, *, now: int, reason: str) -> WriteResult:
        """If nobody began to wait for it since it was read: whoever waits is owed a wake-up sent before this."""
        flagged = "attribute_exists" if task.has_dependents else "attribute_not_exists"
        return self._update(
            task,
            {
                "#state": text(State.CANCELLED),
                "generation": number(task.generation + 1),
                "reason": text(reason),
            }
            | self._ended(task, State.CANCELLED, now),
            remove=("waitingFor",),
            condition=f"({CLAIMABLE_CONDITION} OR #state = :blocked) AND generation = :seen"
            f" AND {flagged}(hasDependents)",
            values=CLAIMABLE_VALUES | {":blocked": text(State.BLOCKED), ":seen": number(task.generation)},
        )

    # -- an attempt: claim, settle

    def claim(
        self, tenant: str, task_id: str, generation: int, *, now: int, lease_until: int, holder: str
    ) -> WriteResult:
        """The one write that begins an attempt (docs/architecture.md, rule 2): claimable, due, of this generation."""
        return self._write(
            keys.key(tenant, task_id),
            "SET #state = :running, attempt = attempt + :one, leaseUntil = :lease, startedAt = :now, holder = :holder"
            " REMOVE progress, reason, #log",
            condition=f"generation = :generation AND {CLAIMABLE_CONDITION} AND availableAt <= :now",
            values=CLAIMABLE_VALUES
            | {
                ":running": text(State.RUNNING),
                ":one": number(1),
                ":lease": number(lease_until),
                ":now": number(now),
                ":holder": text(holder),
                ":generation": number(generation),
            },
        )

    def take_over(self, task: Task, *, now: int, lease_until: int, holder: str) -> WriteResult:
        """Claims a task whose lease has ended; the lost attempt goes on record."""
        return self._update(
            task,
            {
                "attempt": number(task.attempt + 1),
                "leaseUntil": number(lease_until),
                "startedAt": number(now),
                "holder": text(holder),
                "history": text(history_text((*task.history, lost_attempt(task)))),
            },
            remove=("progress", "reason", "log"),
            condition=f"{FENCE_CONDITION} AND leaseUntil <= :now",
            values=fence_values(task) | {":now": number(now)},
        )

    def give_up(self, task: Task, *, now: int) -> WriteResult:
        """The lease has ended and so have the tries: DEAD."""
        return self._update(
            task,
            {
                "#state": text(State.DEAD),
                "reason": text(f"attempt {task.attempt} was lost with its worker; none are left"),
                "history": text(history_text((*task.history, lost_attempt(task)))),
            }
            | self._ended(task, State.DEAD, now),
            remove=("leaseUntil", "holder"),
            condition=f"{FENCE_CONDITION} AND leaseUntil <= :now",
            values=fence_values(task) | {":now": number(now)},
        )

    def settle(self, task: Task, settlement: Settlement, *, result: Document | None = None) -> WriteResult:
        """Under the fence of `task`, as the claim returned it. The wake-up of a RETRY is in flight already."""
        ended = settlement.attempt
        sets: Item = {"#state": text(settlement.state)}
        remove = ["leaseUntil", "holder"]
        if settlement.state is State.SUCCESS:
            remove.append("progress")
            if result is not None:
                sets |= document("result", result)
            if ended.log:
                sets["#log"] = text(dump(ended.log))
        else:
            sets["history"] = text(history_text((*task.history, ended)))
            sets["reason"] = text(settlement.reason or "")
        if settlement.max_attempts is not None:
            sets["retry"] = text(policy_text(replace(task.retry, max_attempts=settlement.max_attempts)))
        if settlement.available_at is not None:
            sets |= {"availableAt": number(settlement.available_at), "generation": number(task.generation + 1)}
        else:
            sets |= self._ended(task, settlement.state, ended.ended_at)
        return self._update(task, sets, remove=remove, condition=FENCE_CONDITION, values=fence_values(task))

    def progress(self, task: Task, *, fraction: float, note: str, now: int) -> WriteResult:
        shown = {"fraction": fraction, "note": note, "at": now}
        return self._update(task, {"progress": text(dump(shown))}, condition=FENCE_CONDITION, values=fence_values(task))

    # -- dependencies (docs/adr/0007)

    def add_dependent(self, tenant: str, upstream: str, dependent: str) -> None:
        item: Item = {**keys.key(tenant, upstream, keys.DEPENDENT + dependent)}
        self.table.put(item, if_absent=False)

    def flag_dependents(self, tenant: str, upstream: str) -> Task | None:
        """Tells the upstream that somebody waits, and us its state: whoever settles first, one side sees the other."""
        written = self._write(
            keys.key(tenant, upstream),
            "SET hasDependents = :yes",
            condition="attribute_exists(pk)",
            values={":yes": {"BOOL": True}},
        )
        return written.task

    def dependents(self, tenant: str, upstream: str) -> list[str]:
        items = self.table.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :dependent)",
            ExpressionAttributeValues={
                ":pk": text(keys.partition(tenant, upstream)),
                ":dependent": text(keys.DEPENDENT),
            },
            ConsistentRead=True,
        )
        return [item["sk"]["S"].removeprefix(keys.DEPENDENT) for item in items]

    def skip(self, task: Task, *, now: int, reason: str) -> WriteResult:
        """The wake-up that will run its consequences is in flight already."""
        return self._update(
            task,
            {
                "#state": text(State.SKIPPED),
                "generation": number(task.generation + 1),
                "reason": text(reason),
            }
            | self._ended(task, State.SKIPPED, now),
            remove=("waitingFor",),
            condition="#state = :blocked AND generation = :seen",
            values={":blocked": text(State.BLOCKED), ":seen": number(task.generation)},
        )

    def discard_waiting(self, tenant: str, task_id: str, upstream: str) -> WriteResult:
        """Idempotent: taking a member out of a set twice is taking it out once."""
        return self._write(
            keys.key(tenant, task_id),
            "DELETE waitingFor :upstream",
            condition="#state = :blocked",
            values={":upstream": {"SS": [upstream]}, ":blocked": text(State.BLOCKED)},
        )

    def release(self, task: Task, *, now: int, last: str | None = None) -> WriteResult:
        """BLOCKED with nothing left to wait for but, at most, `last`; the wake-up of the next generation is in flight
        already. Taking `last` out of the set and releasing is one write: half of a chain's cost. Found, and BLOCKED
        still: its caller has moved it since it was read, and the wake-up has to go out for its new time."""
        state = State.PENDING if task.available_at > now else State.READY
        empty = "attribute_not_exists(waitingFor)"
        return self._update(
            task,
            {
                "#state": text(state),
                "generation": number(task.generation + 1),
                "availableAt": number(max(task.available_at, now)),
            },
            remove=("waitingFor",),
            condition="#state = :blocked AND generation = :seen AND availableAt = :due AND priority = :priority AND "
            + (f"({empty} OR waitingFor = :last)" if last else empty),
            values={
                ":blocked": text(State.BLOCKED),
                ":seen": number(task.generation),
                ":due": number(task.available_at),
                ":priority": number(task.priority),
            }
            | ({":last": {"SS": [last]}} if last else {}),
        )

    def redrive(self, task: Task, *, at: int, attempts: int, by: str, now: int, mark: str | None = None) -> WriteResult:
        """A dead letter, back to life with new attempts; the wake-up of the next generation is in flight already. Its
        history stays. What was SKIPPED because of it stays skipped. `mark`: of the KeyedChange."""
        policy = replace(task.retry, max_attempts=task.attempt + attempts)
        entry = {"by": by, "at": now, "attempts": attempts} | ({} if mark is None else {"mark": mark})
        redriven = (*task.redrives, entry)[-REDRIVES_LIMIT:]
        return self._update(
            task,
            {
                "#state": text(State.PENDING),
                "generation": number(task.generation + 1),
                "availableAt": number(at),
                "retry": text(policy_text(policy)),
                "redriven": text(dump(redriven)),
            },
            remove=("endedAt", "expiresAt", "deadPk", "deadSk", "reason"),
            condition="#state = :state AND generation = :seen AND attempt = :fence",
            values={
                ":state": text(task.state),
                ":seen": number(task.generation),
                ":fence": number(task.attempt),
            },
        )

    def run_again(
        self, task: Task, *, round_: int, until: int, waits_for: Iterable[int], max_attempts: int
    ) -> WriteResult:
        """A node that did not succeed, BLOCKED again for the next round of its run, with new attempts to spend.
        `until`: epoch seconds, the round's deadline."""
        policy = replace(task.retry, max_attempts=max_attempts)
        member = replace(task.membership, round=round_, deadline_at=until) if task.membership else None
        sets: Item = {"#state": text(State.BLOCKED), "retry": text(policy_text(policy))}
        if member is not None:
            sets["run"] = member_fields(member)["run"]
        remove = ["endedAt", "expiresAt", "deadPk", "deadSk", "reason", "result", "resultRef"]
        if waiting := sorted(map(str, waits_for)):
            sets["waitingFor"] = {"SS": waiting}
        else:
            remove.append("waitingFor")
        return self._update(
            task,
            sets,
            remove=remove,
            condition="#state = :state AND attempt = :fence AND generation = :seen",
            values={
                ":state": text(task.state),
                ":fence": number(task.attempt),
                ":seen": number(task.generation),
            },
        )

    # -- how they are written

    def _ended(self, task: Task, state: State, now: int) -> Item:
        # A node is read by those that wait for it, and by a retry of its run, as long as the run may last.
        last = max(now // 1000, task.membership.deadline_at) if task.membership else now // 1000
        sets: Item = {"endedAt": number(now), "expiresAt": number(last + self.retention_seconds)}
        if state in DEAD_LETTER_STATES:
            partition = keys.dead_partition(task.tenant, keys.shard(task.id, self.shards))
            sets |= {"deadPk": text(partition), "deadSk": text(keys.time_sort(now, task.id))}
        return sets

    def _update(
        self, task: Task, sets: Item, *, condition: str, values: Item, remove: Iterable[str] = ()
    ) -> WriteResult:
        """`sets`: attribute → new value. Reserved words of DynamoDB may come with their `#` or without."""
        assigned = ", ".join(f"{aliased(name)} = :new{at}" for at, name in enumerate(sets))
        new = {f":new{at}": value for at, value in enumerate(sets.values())}
        removed = [aliased(name) for name in remove]
        update = f"SET {assigned}" + (f" REMOVE {', '.join(removed)}" if removed else "")
        return self._write(keys.key(task.tenant, task.id), update, condition=condition, values=values | new)

    def _write(self, key: keys.Key, update: str, *, condition: str, values: Item) -> WriteResult:
        return write_result(self.table.update(key, update, condition=condition, values=values))


def aliased(name: str) -> str:
    return f"#{name}" if name in RESERVED else name


def write_result(written: Updated | ConditionFailed, task: Task | None = None) -> WriteResult:
    if isinstance(written, Updated):
        return Applied(task or from_item(written.item))
    return Rejected(from_item(written.item) if written.item else None)
