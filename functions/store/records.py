"""Task ⇄ DynamoDB item. Structured values are JSON texts: compact, and exact for numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from taskyard.tasks.retry import RetryPolicy

from functions.core.states import State
from functions.core.task import ATTEMPT_HISTORY_LIMIT, Attempt, Document, RunMembership, Task
from functions.store import keys

Item = dict[str, Any]


def string_value(value: str) -> Item:
    return {"S": value}


def number_value(value: float) -> Item:
    return {"N": str(value)}


def to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def task_to_item(task: Task, *, shards: int) -> Item:
    """The item of a new task. `shards`: the number of partitions of a tenant's listing."""
    item: Item = {
        **keys.task_key(task.tenant, task.id),
        "type": string_value(task.type),
        "state": string_value(task.state),
        "createdAt": number_value(task.created_at),
        "availableAt": number_value(task.available_at),
        "generation": number_value(task.generation),
        "attempt": number_value(task.attempt),
        "priority": number_value(task.priority),
        "timeoutSeconds": number_value(task.timeout_seconds),
        "retry": string_value(retry_policy_text(task.retry)),
        "digest": string_value(task.digest),
    }
    item |= document_attributes("payload", task.payload)
    if task.mask is not None:
        item["mask"] = string_value(to_json(task.mask))
    if task.membership is not None:
        item |= membership_attributes(task.membership)
    else:
        # Nodes are listed with their run only: 10,000 of them would flood a tenant's listing, at a write unit each.
        item["listPk"] = string_value(keys.listing_partition(task.tenant, keys.shard_of(task.id, shards)))
        item["listSk"] = string_value(keys.time_sort_key(task.created_at, task.id))
    if task.idempotency_key is not None:
        item["idempotencyKey"] = string_value(task.idempotency_key)
    if task.tags:
        item["tags"] = string_value(to_json(task.tags))
    if task.dependencies:
        item["dependencies"] = string_value(to_json(task.dependencies))
    if task.notify:
        item["notify"] = string_value(to_json(task.notify))
    if task.waiting_for:
        item["waitingFor"] = {"SS": sorted(task.waiting_for)}
    if task.reason:
        item["reason"] = string_value(task.reason)
    return item


def task_from_item(item: Item) -> Task:
    def string(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def integer(name: str, default: int | None = None) -> Any:
        return int(item[name]["N"]) if name in item else default

    def json_attribute(name: str, default: Any) -> Any:
        return json.loads(item[name]["S"]) if name in item else default

    tenant, task_id = keys.tenant_and_task_id(item["pk"]["S"])
    return Task(
        tenant=tenant,
        id=task_id,
        type=item["type"]["S"],
        state=State(item["state"]["S"]),
        created_at=integer("createdAt"),
        available_at=integer("availableAt"),
        generation=integer("generation"),
        attempt=integer("attempt"),
        priority=integer("priority"),
        timeout_seconds=integer("timeoutSeconds"),
        retry=parse_retry_policy(item["retry"]["S"]),
        payload=Document(string("payload"), string("payloadRef")),
        mask=json_attribute("mask", None),
        digest=item["digest"]["S"],
        idempotency_key=string("idempotencyKey"),
        tags=json_attribute("tags", {}),
        lease_until=integer("leaseUntil", 0),
        holder=string("holder"),
        started_at=integer("startedAt"),
        ended_at=integer("endedAt"),
        result=Document(string("result"), string("resultRef")) if "result" in item or "resultRef" in item else None,
        log=tuple(json_attribute("log", ())),
        history=tuple(parse_attempt(fields) for fields in json_attribute("history", ())),
        progress=json_attribute("progress", None),
        redrives=tuple(json_attribute("redriven", ())),
        last_change_mark=string("changeMark"),
        reason=string("reason"),
        dependencies=tuple(json_attribute("dependencies", ())),
        notify=tuple(json_attribute("notify", ())),
        waiting_for=frozenset(item["waitingFor"]["SS"]) if "waitingFor" in item else frozenset(),
        has_dependents="hasDependents" in item,
        expires_at=integer("expiresAt"),
        membership=parse_membership(item) if "run" in item else None,
    )


def membership_attributes(member: RunMembership) -> Item:
    """`run` is `<run>:<round>:<nodes>:<fail fast>:<deadline>`; the index is in the task id."""
    item: Item = {
        "run": string_value(f"{member.run}:{member.round}:{member.nodes}:{int(member.fail_fast)}:{member.deadline_at}"),
        "name": string_value(member.name),
    }
    for name, indexes, chunks in (
        ("releases", member.releases, member.release_chunks),
        ("upstreams", member.upstreams, member.upstream_chunks),
    ):
        if indexes:
            item[name] = string_value(indexes_text(indexes))
        if chunks:
            item[f"{name}More"] = number_value(chunks)
    return item


def parse_membership(item: Item) -> RunMembership:
    run, round_, nodes, fail_fast, deadline_at = item["run"]["S"].split(":")
    return RunMembership(
        run=run,
        round=int(round_),
        nodes=int(nodes),
        fail_fast=fail_fast == "1",
        deadline_at=int(deadline_at),
        index=int(item["pk"]["S"].rpartition("-")[2]),
        name=item["name"]["S"],
        releases=parse_indexes(item.get("releases")),
        release_chunks=int(item["releasesMore"]["N"]) if "releasesMore" in item else 0,
        upstreams=parse_indexes(item.get("upstreams")),
        upstream_chunks=int(item["upstreamsMore"]["N"]) if "upstreamsMore" in item else 0,
    )


def indexes_text(indexes: tuple[int, ...]) -> str:
    return ",".join(map(str, indexes))


def parse_indexes(attribute: Item | None) -> tuple[int, ...]:
    return tuple(map(int, attribute["S"].split(","))) if attribute else ()


def document_attributes(name: str, value: Document) -> Item:
    if value.ref is not None:
        return {f"{name}Ref": string_value(value.ref)}
    return {name: string_value(value.inline)} if value.inline is not None else {}


def retry_policy_text(policy: RetryPolicy) -> str:
    """`max_attempts:strategy:base:cap:jitter`. A map would take a tenth of a write unit of 1 KB."""
    numbers = (policy.base_seconds, policy.max_seconds, policy.jitter)
    return ":".join((str(policy.max_attempts), policy.strategy, *(str(n).removesuffix(".0") for n in numbers)))


def parse_retry_policy(written: str) -> RetryPolicy:
    attempts, strategy, base, cap, jitter = written.split(":")
    return RetryPolicy(
        max_attempts=int(attempts),
        strategy="fixed" if strategy == "fixed" else "exponential",
        base_seconds=float(base),
        max_seconds=float(cap),
        jitter=float(jitter),
    )


def history_text(history: tuple[Attempt, ...]) -> str:
    """The last ATTEMPT_HISTORY_LIMIT attempts; log lines of the last three only, and the traceback of the last one, so
    that the record stays small."""
    recent = history[-ATTEMPT_HISTORY_LIMIT:]
    newest = {"log": 3, "traceback": 1}
    return to_json(
        [
            {
                name: value
                for name, value in asdict(entry).items()
                if value not in (None, (), "") and at >= len(recent) - newest.get(name, len(recent))
            }
            for at, entry in enumerate(recent)
        ]
    )


def parse_attempt(fields: dict[str, Any]) -> Attempt:
    return Attempt(**fields | {"log": tuple(fields.get("log", ()))})
