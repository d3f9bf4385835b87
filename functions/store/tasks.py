"""Reads and conditional writes of task records. A write whose condition fails returns the task as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from functions.core.payloads.masking import Mask
from functions.core.settlement import Settlement, lost_attempt
from functions.core.states import DEAD_LETTER_STATES, State
from functions.core.task import REDRIVE_HISTORY_LIMIT, Document, Task
from functions.store import keys
from functions.store.records import (
    Item,
    document_attributes,
    history_text,
    membership_attributes,
    number_value,
    retry_policy_text,
    string_value,
    task_from_item,
    task_to_item,
    to_json,
)
from functions.store.table import ConditionFailed, Table, Updated


class Applied(NamedTuple):
    """The write landed: the task as it is now."""

    task: Task


class Rejected(NamedTuple):
    """The condition did not hold: the task as it stands, None when there is no task."""

    task: Task | None


WriteResult = Applied | Rejected

CLAIMABLE_CONDITION = "#state IN (:pending, :ready, :retry)"
CLAIMABLE_VALUES: Item = {
    ":pending": string_value("PENDING"),
    ":ready": string_value("READY"),
    ":retry": string_value("RETRY"),
}
FENCE_CONDITION = "#state = :running AND attempt = :fence"


RESERVED_ATTRIBUTES = frozenset({"state", "log", "result"})
"""Attributes whose names are reserved words of DynamoDB. Expressions write them as `#state`, `#log`, `#result`."""


def fence_values(task: Task) -> Item:
    return {":running": string_value(State.RUNNING), ":fence": number_value(task.attempt)}


class TaskStore:
    """`shards`: partitions of a tenant's listings. `retention_seconds`: how long the record of a settled task is
    stored."""

    def __init__(self, *, table: Table, shards: int, retention_seconds: int) -> None:
        self.table = table
        self.shards = shards
        self.retention_seconds = retention_seconds

    # -- reading

    def get(self, tenant: str, task_id: str) -> Task | None:
        item = self.table.get(keys.task_key(tenant, task_id))
        return task_from_item(item) if item else None

    def get_by_ids(self, tenant: str, ids: Iterable[str], *, consistent: bool = False) -> dict[str, Task]:
        unique = dict.fromkeys(ids)
        items = self.table.get_items((keys.task_key(tenant, task_id) for task_id in unique), consistent=consistent)
        return {task.id: task for task in map(task_from_item, items)}

    def index_entries(self, index: str, condition: str, values: Item, *, page_size: int) -> Iterator[Item]:
        """Entries of one of the table's indexes, newest first, read page by page as they are used up."""
        return self.table.query(
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=page_size,
        )

    # -- submitting and changing what has not started

    def create(self, task: Task) -> WriteResult:
        """Rejected: the id exists, from a repeated submit or a reused key; the digests tell which."""
        return write_result(self.table.put(task_to_item(task, shards=self.shards), if_absent=True), task)

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
        """Changes a waiting task, if it still has the generation that was read. `mask`: of the new payload. `mark`: of
        the KeyedChange."""
        sets: Item = {}
        if mark is not None:
            sets["changeMark"] = string_value(mark)
        if state is not None:
            sets["#state"] = string_value(state)
        if generation is not None:
            sets["generation"] = number_value(generation)
        if available_at is not None:
            sets["availableAt"] = number_value(available_at)
        if priority is not None:
            sets["priority"] = number_value(priority)
        removed: tuple[str, ...] = ()
        if payload is not None:
            sets |= document_attributes("payload", payload)
            removed = ("payload",) if payload.ref else ("payloadRef",)
            if mask is not None:
                sets["mask"] = string_value(to_json(mask))
            else:
                removed += ("mask",)
        return self._update(
            task,
            sets,
            remove=removed,
            condition=f"({CLAIMABLE_CONDITION} OR #state = :blocked) AND generation = :seen AND #state = :state",
            values=CLAIMABLE_VALUES
            | {
                ":blocked": string_value(State.BLOCKED),
                ":seen": number_value(task.generation),
                ":state": string_value(task.state),
            },
        )

    def cancel(self, task: Task, *, now: int, reason: str) -> WriteResult:
        """Applied only when the task has gained no first dependent since it was read: dependents need a wake-up that is
        sent before this write."""
        flagged = "attribute_exists" if task.has_dependents else "attribute_not_exists"
        return self._update(
            task,
            {
                "#state": string_value(State.CANCELLED),
                "generation": number_value(task.generation + 1),
                "reason": string_value(reason),
            }
            | self._end_attributes(task, State.CANCELLED, now),
            remove=("waitingFor",),
            condition=f"({CLAIMABLE_CONDITION} OR #state = :blocked) AND generation = :seen"
            f" AND {flagged}(hasDependents)",
            values=CLAIMABLE_VALUES | {":blocked": string_value(State.BLOCKED), ":seen": number_value(task.generation)},
        )

    # -- an attempt: claim, settle

    def claim(
        self, tenant: str, task_id: str, generation: int, *, now: int, lease_until: int, holder: str
    ) -> WriteResult:
        """The one write that begins an attempt (docs/architecture.md, rule 2): claimable, due, of this generation."""
        return self._write(
            keys.task_key(tenant, task_id),
            "SET #state = :running, attempt = attempt + :one, leaseUntil = :lease, startedAt = :now, holder = :holder"
            " REMOVE progress, reason, #log",
            condition=f"generation = :generation AND {CLAIMABLE_CONDITION} AND availableAt <= :now",
            values=CLAIMABLE_VALUES
            | {
                ":running": string_value(State.RUNNING),
                ":one": number_value(1),
                ":lease": number_value(lease_until),
                ":now": number_value(now),
                ":holder": string_value(holder),
                ":generation": number_value(generation),
            },
        )

    def take_over(self, task: Task, *, now: int, lease_until: int, holder: str) -> WriteResult:
        """Claims a task whose lease has ended, and records the lost attempt."""
        return self._update(
            task,
            {
                "attempt": number_value(task.attempt + 1),
                "leaseUntil": number_value(lease_until),
                "startedAt": number_value(now),
                "holder": string_value(holder),
                "history": string_value(history_text((*task.history, lost_attempt(task)))),
            },
            remove=("progress", "reason", "log"),
            condition=f"{FENCE_CONDITION} AND leaseUntil <= :now",
            values=fence_values(task) | {":now": number_value(now)},
        )

    def give_up(self, task: Task, *, now: int) -> WriteResult:
        """DEAD: the lease has ended and no attempts are left."""
        return self._update(
            task,
            {
                "#state": string_value(State.DEAD),
                "reason": string_value(f"attempt {task.attempt} was lost with its worker; none are left"),
                "history": string_value(history_text((*task.history, lost_attempt(task)))),
            }
            | self._end_attributes(task, State.DEAD, now),
            remove=("leaseUntil", "holder"),
            condition=f"{FENCE_CONDITION} AND leaseUntil <= :now",
            values=fence_values(task) | {":now": number_value(now)},
        )

    def settle(self, task: Task, settlement: Settlement, *, result: Document | None = None) -> WriteResult:
        """Under the fence of `task`, as the claim returned it. The wake-up of a RETRY is in flight already."""
        ended = settlement.attempt
        sets: Item = {"#state": string_value(settlement.state)}
        remove = ["leaseUntil", "holder"]
        if settlement.state is State.SUCCESS:
            remove.append("progress")
            if result is not None:
                sets |= document_attributes("result", result)
            if ended.log:
                sets["#log"] = string_value(to_json(ended.log))
        else:
            sets["history"] = string_value(history_text((*task.history, ended)))
            sets["reason"] = string_value(settlement.reason or "")
        if settlement.max_attempts is not None:
            sets["retry"] = string_value(retry_policy_text(replace(task.retry, max_attempts=settlement.max_attempts)))
        if settlement.available_at is not None:
            sets |= {
                "availableAt": number_value(settlement.available_at),
                "generation": number_value(task.generation + 1),
            }
        else:
            sets |= self._end_attributes(task, settlement.state, ended.ended_at)
        return self._update(task, sets, remove=remove, condition=FENCE_CONDITION, values=fence_values(task))

    def progress(self, task: Task, *, fraction: float, note: str, now: int) -> WriteResult:
        progress = {"fraction": fraction, "note": note, "at": now}
        return self._update(
            task, {"progress": string_value(to_json(progress))}, condition=FENCE_CONDITION, values=fence_values(task)
        )

    # -- dependencies (docs/adr/0007)

    def add_dependent(self, tenant: str, upstream: str, dependent: str) -> None:
        item: Item = {**keys.task_key(tenant, upstream, keys.DEPENDENT + dependent)}
        self.table.put(item, if_absent=False)

    def flag_dependents(self, tenant: str, upstream: str) -> Task | None:
        """Marks the upstream as having dependents, and returns it. Of this write and the upstream's settlement, the
        later one sees the earlier one. None: there is no such task."""
        result = self._write(
            keys.task_key(tenant, upstream),
            "SET hasDependents = :yes",
            condition="attribute_exists(pk)",
            values={":yes": {"BOOL": True}},
        )
        return result.task

    def dependents(self, tenant: str, upstream: str) -> list[str]:
        items = self.table.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :dependent)",
            ExpressionAttributeValues={
                ":pk": string_value(keys.task_partition(tenant, upstream)),
                ":dependent": string_value(keys.DEPENDENT),
            },
            ConsistentRead=True,
        )
        return [item["sk"]["S"].removeprefix(keys.DEPENDENT) for item in items]

    def skip(self, task: Task, *, now: int, reason: str) -> WriteResult:
        """SKIPPED. The wake-up that runs its consequences is already sent."""
        return self._update(
            task,
            {
                "#state": string_value(State.SKIPPED),
                "generation": number_value(task.generation + 1),
                "reason": string_value(reason),
            }
            | self._end_attributes(task, State.SKIPPED, now),
            remove=("waitingFor",),
            condition="#state = :blocked AND generation = :seen",
            values={":blocked": string_value(State.BLOCKED), ":seen": number_value(task.generation)},
        )

    def discard_waiting(self, tenant: str, task_id: str, upstream: str) -> WriteResult:
        """Removes an upstream from the set that a blocked task waits for. Idempotent."""
        return self._write(
            keys.task_key(tenant, task_id),
            "DELETE waitingFor :upstream",
            condition="#state = :blocked",
            values={":upstream": {"SS": [upstream]}, ":blocked": string_value(State.BLOCKED)},
        )

    def release(self, task: Task, *, now: int, last: str | None = None) -> WriteResult:
        """Releases a BLOCKED task that waits for nothing but, at most, `last`; the wake-up of the next generation is
        already sent. Removing `last` and releasing in one write halves the cost of a chain. Rejected and still BLOCKED:
        the caller has changed its time or priority since it was read, and a new wake-up must be sent."""
        state = State.PENDING if task.available_at > now else State.READY
        empty = "attribute_not_exists(waitingFor)"
        return self._update(
            task,
            {
                "#state": string_value(state),
                "generation": number_value(task.generation + 1),
                "availableAt": number_value(max(task.available_at, now)),
            },
            remove=("waitingFor",),
            condition="#state = :blocked AND generation = :seen AND availableAt = :due AND priority = :priority AND "
            + (f"({empty} OR waitingFor = :last)" if last else empty),
            values={
                ":blocked": string_value(State.BLOCKED),
                ":seen": number_value(task.generation),
                ":due": number_value(task.available_at),
                ":priority": number_value(task.priority),
            }
            | ({":last": {"SS": [last]}} if last else {}),
        )

    def redrive(self, task: Task, *, at: int, attempts: int, by: str, now: int, mark: str | None = None) -> WriteResult:
        """Makes a dead letter PENDING with new attempts; the wake-up of the next generation is already sent. The
        history stays, and dependents that were SKIPPED stay skipped. `mark`: of the KeyedChange."""
        policy = replace(task.retry, max_attempts=task.attempt + attempts)
        entry = {"by": by, "at": now, "attempts": attempts} | ({} if mark is None else {"mark": mark})
        redriven = (*task.redrives, entry)[-REDRIVE_HISTORY_LIMIT:]
        return self._update(
            task,
            {
                "#state": string_value(State.PENDING),
                "generation": number_value(task.generation + 1),
                "availableAt": number_value(at),
                "retry": string_value(retry_policy_text(policy)),
                "redriven": string_value(to_json(redriven)),
            },
            remove=("endedAt", "expiresAt", "deadPk", "deadSk", "reason"),
            condition="#state = :state AND generation = :seen AND attempt = :fence",
            values={
                ":state": string_value(task.state),
                ":seen": number_value(task.generation),
                ":fence": number_value(task.attempt),
            },
        )

    def rerun_node(
        self, task: Task, *, round_: int, deadline_at: int, waits_for: Iterable[int], max_attempts: int
    ) -> WriteResult:
        """Makes a node that did not succeed BLOCKED for the next round of its run, with new attempts. `deadline_at`:
        epoch seconds, the round's deadline."""
        policy = replace(task.retry, max_attempts=max_attempts)
        member = replace(task.membership, round=round_, deadline_at=deadline_at) if task.membership else None
        sets: Item = {"#state": string_value(State.BLOCKED), "retry": string_value(retry_policy_text(policy))}
        if member is not None:
            sets["run"] = membership_attributes(member)["run"]
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
                ":state": string_value(task.state),
                ":fence": number_value(task.attempt),
                ":seen": number_value(task.generation),
            },
        )

    # -- expressions

    def _end_attributes(self, task: Task, state: State, now: int) -> Item:
        # Dependents and a retry of the run read a node as long as the run may last.
        last = max(now // 1000, task.membership.deadline_at) if task.membership else now // 1000
        sets: Item = {"endedAt": number_value(now), "expiresAt": number_value(last + self.retention_seconds)}
        if state in DEAD_LETTER_STATES:
            partition = keys.dead_letter_partition(task.tenant, keys.shard_of(task.id, self.shards))
            sets |= {"deadPk": string_value(partition), "deadSk": string_value(keys.time_sort_key(now, task.id))}
        return sets

    def _update(
        self, task: Task, sets: Item, *, condition: str, values: Item, remove: Iterable[str] = ()
    ) -> WriteResult:
        """`sets`: attribute → new value. Reserved words of DynamoDB may be given with or without `#`."""
        assigned = ", ".join(f"{alias_if_reserved(name)} = :new{at}" for at, name in enumerate(sets))
        new = {f":new{at}": value for at, value in enumerate(sets.values())}
        removed = [alias_if_reserved(name) for name in remove]
        update = f"SET {assigned}" + (f" REMOVE {', '.join(removed)}" if removed else "")
        return self._write(keys.task_key(task.tenant, task.id), update, condition=condition, values=values | new)

    def _write(self, key: keys.Key, update: str, *, condition: str, values: Item) -> WriteResult:
        return write_result(self.table.update(key, update, condition=condition, values=values))


def alias_if_reserved(name: str) -> str:
    return f"#{name}" if name in RESERVED_ATTRIBUTES else name


def write_result(written: Updated | ConditionFailed, task: Task | None = None) -> WriteResult:
    if isinstance(written, Updated):
        return Applied(task or task_from_item(written.item))
    return Rejected(task_from_item(written.item) if written.item else None)
