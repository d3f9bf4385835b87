"""The records of schedules: the owner's definition (`SCHEDULE`) and the history of firings (`FIRINGS`)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from taskyard.tasks.text import truncate

from functions.core.schedules.schedule import CatchUp, FiringHistory, Overlap, Schedule, WorkflowTemplate
from functions.core.task import ERROR_LIMIT, Document
from functions.store import keys
from functions.store.records import Item, document_attributes, number_value, string_value, to_json
from functions.store.table import ConditionFailed, Table, Updated

OPTIONAL_TEXTS = {
    "name": "name",
    "cron": "cron",
    "rate": "rate",
    "idempotency_key": "idempotencyKey",
    "declared_as": "declaredAs",
}
OPTIONAL_TIMES = {"start_at": "startAt", "end_at": "endAt", "anchor": "anchor", "paused_at": "pausedAt"}

OPTIONAL_PARTS = ("mask", "workflow", "workflowRef", "workflowName")


@dataclass(frozen=True)
class ClaimResult:
    """`won`: the write landed. `firings`: the history after the write, or as it stands when the write was refused."""

    won: bool
    firings: FiringHistory


@dataclass(frozen=True, kw_only=True)
class ScheduleStore:
    """Schedules never expire; their owners delete them."""

    table: Table
    shards: int

    def create(self, schedule: Schedule) -> Schedule | None:
        """None when the schedule is new; otherwise the existing schedule of this id."""
        listing_keys = {
            "listPk": string_value(
                keys.schedule_listing_partition(schedule.tenant, keys.shard_of(schedule.id, self.shards))
            ),
            "listSk": string_value(keys.time_sort_key(schedule.created_at, schedule.id)),
        }
        item = keys.schedule_key(schedule.tenant, schedule.id) | schedule_attributes(schedule) | listing_keys
        answer = self.table.put(item, if_absent=True)
        return schedule_from_item(answer.item, None) if isinstance(answer, ConditionFailed) and answer.item else None

    def get(self, tenant: str, schedule_id: str) -> Schedule | None:
        return self.get_by_ids(tenant, [schedule_id], consistent=True).get(schedule_id)

    def get_by_ids(self, tenant: str, ids: Iterable[str], *, consistent: bool = False) -> dict[str, Schedule]:
        item_keys = [
            keys.schedule_key(tenant, each, sort)
            for each in dict.fromkeys(ids)
            for sort in (keys.SCHEDULE, keys.FIRINGS)
        ]
        items = self.table.get_items(item_keys, consistent=consistent)
        firings = {item["pk"]["S"]: item for item in items if item["sk"]["S"] == keys.FIRINGS}
        schedules = [
            schedule_from_item(item, firings.get(item["pk"]["S"])) for item in items if item["sk"]["S"] == keys.SCHEDULE
        ]
        return {schedule.id: schedule for schedule in schedules}

    def count(self, tenant: str) -> int:
        """Of the tenant, as the listing index has them: a schedule is there a moment after its create."""

        def count_in_shard(number: int) -> int:
            entries = self.table.query(
                IndexName="listing",
                KeyConditionExpression="listPk = :pk",
                ExpressionAttributeValues={":pk": string_value(keys.schedule_listing_partition(tenant, number))},
            )
            return sum(1 for _ in entries)

        return sum(map(count_in_shard, range(self.shards)))

    def change(self, schedule: Schedule) -> bool:
        """Writes the schedule if the record still has the version before. False when another request was first, or when
        the schedule no longer exists."""
        attributes = schedule_attributes(schedule)
        optional = (*OPTIONAL_TEXTS.values(), *OPTIONAL_TIMES.values(), *OPTIONAL_PARTS)
        missing = [name for name in optional if name not in attributes]
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in attributes)
        answer = self.table.update(
            keys.schedule_key(schedule.tenant, schedule.id),
            update + (" REMOVE " + ", ".join(f"#{name}" for name in missing) if missing else ""),
            condition="#version = :before",
            values={f":{name}": value for name, value in attributes.items()}
            | {":before": number_value(schedule.version - 1)},
        )
        return isinstance(answer, Updated)

    def delete(self, tenant: str, schedule_id: str, *, unless_declared: bool = False) -> bool:
        """False when there is no such schedule; with `unless_declared` also when a deployment declares it. A firing
        under way may leave its `FIRINGS` item behind, which nothing reads."""
        condition = "attribute_exists(pk)" + (" AND attribute_not_exists(declaredAs)" if unless_declared else "")
        existed = self.table.delete(keys.schedule_key(tenant, schedule_id), ConditionExpression=condition)
        if not existed and unless_declared:
            return False
        self.table.delete(keys.schedule_key(tenant, schedule_id, keys.FIRINGS))
        return existed

    # -- firings

    def claim(
        self, schedule: Schedule, *, task: str, at: int, now: int, seen: FiringHistory | None, on_request: bool = False
    ) -> ClaimResult:
        """Makes the firing of `at` the current one. `task`: reference to what it will submit. `seen`: the write lands
        only when the history is still this one, so that the later of two concurrent firings sees the other; None:
        whatever the history. `on_request`: a caller requested it, and what the last firing submitted may still run."""
        condition = "attribute_not_exists(#task) OR #task <> :task"
        values = {
            ":task": string_value(task),
            ":at": number_value(at),
            ":now": number_value(now),
            ":one": number_value(1),
        }
        if seen is not None and seen.task is None:
            condition = "attribute_not_exists(#task)"
        elif seen is not None:
            condition = "#task = :seen AND firedAt = :seenAt AND #task <> :task"
            values |= {":seen": string_value(str(seen.task)), ":seenAt": number_value(seen.fired_at or 0)}
        by_firing = "" if on_request else ", firing = :task"
        return self._update(
            schedule,
            f"SET #task = :task, scheduledAt = :at, firedAt = :now{by_firing} ADD fired :one",
            condition,
            values,
        )

    def renew_claim(self, schedule: Schedule, *, task: str, now: int, seen: FiringHistory) -> ClaimResult:
        """Renews the time of the claim of a firing that died before its submit and has come again."""
        values = {":task": string_value(task), ":now": number_value(now), ":seenAt": number_value(seen.fired_at or 0)}
        return self._update(schedule, "SET firedAt = :now", "firing = :task AND firedAt = :seenAt", values)

    def record_skip(self, schedule: Schedule, at: int) -> ClaimResult:
        return self._count(schedule, "skipped", at)

    def record_miss(self, schedule: Schedule, at: int) -> ClaimResult:
        return self._count(schedule, "missed", at)

    def record_error(self, schedule: Schedule, error: str, now: int) -> ClaimResult:
        """Stores the error of a template that is no longer valid. The schedule's view shows it."""
        values = {":error": string_value(truncate(error, ERROR_LIMIT)), ":now": number_value(now)}
        unless_older = "attribute_not_exists(errorAt) OR errorAt <= :now"
        return self._update(schedule, "SET #error = :error, errorAt = :now", unless_older, values)

    def _count(self, schedule: Schedule, what: str, at: int) -> ClaimResult:
        """Counts a firing once, also when it is delivered again."""
        return self._update(
            schedule,
            f"SET {what}At = :at ADD {what} :one",
            f"attribute_not_exists({what}At) OR {what}At <> :at",
            {":at": number_value(at), ":one": number_value(1)},
        )

    def _update(self, schedule: Schedule, update: str, condition: str, values: Item) -> ClaimResult:
        answer = self.table.update(
            keys.schedule_key(schedule.tenant, schedule.id, keys.FIRINGS),
            update,
            condition=condition,
            values=values,
        )
        return ClaimResult(isinstance(answer, Updated), firing_history_from_item(answer.item))


def schedule_attributes(schedule: Schedule) -> Item:
    item: Item = {
        "timezone": string_value(schedule.timezone),
        "overlap": string_value(schedule.overlap),
        "catchUp": string_value(schedule.catch_up),
        "template": string_value(to_json(schedule.task)),
        "lane": string_value(schedule.lane),
        "createdAt": number_value(schedule.created_at),
        "updatedAt": number_value(schedule.updated_at),
        "version": number_value(schedule.version),
        "digest": string_value(schedule.digest),
    }
    for name, attribute in OPTIONAL_TEXTS.items():
        if (value := getattr(schedule, name)) is not None:
            item[attribute] = string_value(value)
    for name, attribute in OPTIONAL_TIMES.items():
        if (value := getattr(schedule, name)) is not None:
            item[attribute] = number_value(value)
    if schedule.mask is not None:
        item["mask"] = string_value(to_json(schedule.mask))
    if schedule.workflow is not None:
        item |= document_attributes("workflow", schedule.workflow.document)
        if schedule.workflow.name is not None:
            item["workflowName"] = string_value(schedule.workflow.name)
    return item


def schedule_from_item(item: Item, firings: Item | None) -> Schedule:
    optional: dict[str, Any] = {
        name: item[attribute]["S"] for name, attribute in OPTIONAL_TEXTS.items() if attribute in item
    }
    optional |= {name: int(item[attribute]["N"]) for name, attribute in OPTIONAL_TIMES.items() if attribute in item}
    workflow = None
    if "workflow" in item or "workflowRef" in item:
        inline, ref, name = (
            item[key]["S"] if key in item else None for key in ("workflow", "workflowRef", "workflowName")
        )
        workflow = WorkflowTemplate(name=name, document=Document(inline, ref))
    tenant, schedule_id = keys.tenant_and_schedule(item["pk"]["S"])
    schedule = Schedule(
        tenant=tenant,
        id=schedule_id,
        timezone=item["timezone"]["S"],
        overlap=Overlap(item["overlap"]["S"]),
        catch_up=CatchUp(item["catchUp"]["S"]),
        task=json.loads(item["template"]["S"]),
        mask=json.loads(item["mask"]["S"]) if "mask" in item else None,
        workflow=workflow,
        lane=item["lane"]["S"],
        created_at=int(item["createdAt"]["N"]),
        updated_at=int(item["updatedAt"]["N"]),
        version=int(item["version"]["N"]),
        digest=item["digest"]["S"],
        **optional,
    )
    return replace(schedule, firings=firing_history_from_item(firings))


def firing_history_from_item(item: Item | None) -> FiringHistory:
    item = item or {}
    integers = {
        "fired": "fired",
        "skipped": "skipped",
        "missed": "missed",
        "scheduled_at": "scheduledAt",
        "fired_at": "firedAt",
        "skipped_at": "skippedAt",
        "missed_at": "missedAt",
        "error_at": "errorAt",
    }
    texts = {"task": "task", "firing_task": "firing", "error": "error"}
    fields: dict[str, Any] = {
        name: int(item[attribute]["N"]) for name, attribute in integers.items() if attribute in item
    }
    fields |= {name: item[attribute]["S"] for name, attribute in texts.items() if attribute in item}
    return FiringHistory(**fields)
