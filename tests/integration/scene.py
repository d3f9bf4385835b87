"""Tasks as they stand when a wake-up finds them, and wake-ups as they arrive: what tests of the worker are made of."""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taskyard.tasks.declaration import payload_model
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import TaskType

from functions.aws.clients import client
from functions.core.pools import DEFAULT, Pool
from functions.core.states import State
from functions.core.task import Document, Task
from functions.core.task_types import RegisteredType, Registry
from functions.core.wakeup import WakeUp
from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from functions.store.records import (
    document_attributes,
    history_text,
    number_value,
    string_value,
    task_from_item,
    task_to_item,
)
from functions.store.tasks import TaskStore
from tests.integration.cloud import SHARDS, TABLE, TENANT, Cloud, event

if TYPE_CHECKING:
    from tests.integration.conftest import Clock

ID = "01kgdz6m00aaaaaaaaaaaaaaaa"
"""The task of events/worker/one.json."""
POLICY = RetryPolicy(max_attempts=3, strategy="fixed", base_seconds=10, jitter=0)


@dataclass
class Scene:
    """`types`: the task types that the worker knows, by name; `ran`: what its handlers noted."""

    aws: Cloud
    clock: Clock
    types: dict[str, RegisteredType] = field(default_factory=dict)
    ran: list[Any] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self) -> TaskStore:
        return wiring.task_store(WorkerEnvironment(os.environ))

    def registry(self) -> Registry:
        return Registry.of(self.types.values())

    def add(self, handler: Any) -> RegisteredType:
        """The type that the handler declares, for the worker to run."""
        declaration = handler.__task_type__
        made = RegisteredType.of(declaration, module=handler.__module__, attribute=handler.__name__)
        self.types |= dict.fromkeys(made.names, made)
        return made

    def handle(self, name: str, handler: Callable[..., Any], *, pool: Pool = DEFAULT) -> None:
        declaration = TaskType(
            names=(name,), handler=handler, payload_model=payload_model(handler), retry=POLICY, timeout_seconds=30
        )
        self.types[name] = RegisteredType.of(declaration, module=__name__, attribute=name, pool=pool)

    # -- records

    def put(self, task_id: str = ID, **fields: Any) -> Task:
        """A record with these fields, as if it had come so far."""
        task = Task(
            **{
                "tenant": TENANT,
                "id": task_id,
                "type": "NOTE",
                "state": State.READY,
                "created_at": self.clock.now,
                "available_at": self.clock.now,
                "timeout_seconds": 30,
                "retry": POLICY,
                "payload": Document("{}"),
                "digest": "9f86d081884c7d659a2f",
            }
            | fields
        )
        item = task_to_item(task, shards=SHARDS)
        if task.lease_until:
            item |= {"leaseUntil": number_value(task.lease_until), "holder": string_value(task.holder or "another/0")}
            item |= {"startedAt": number_value(task.started_at or self.clock.now)}
        if task.has_dependents:
            item["hasDependents"] = {"BOOL": True}
        if task.history:
            item["history"] = string_value(history_text(task.history))
        if task.result:
            item |= document_attributes("result", task.result)
        client("dynamodb").put_item(TableName=TABLE, Item=item)
        return task_from_item(item)

    def running(self, *, lease: float, attempt: int = 1, **fields: Any) -> Task:
        """Held by another worker; `lease`: seconds from now until its lease ends."""
        until = self.clock.now + round(lease * 1000)
        return self.put(state=State.RUNNING, attempt=attempt, lease_until=until, holder="another/0", **fields)

    def task(self, task_id: str = ID) -> Task:
        found = self.store.get(TENANT, task_id)
        assert found is not None, f"no task {task_id}"
        return found

    # -- wake-ups

    def message(
        self,
        task_id: str = ID,
        *,
        generation: int = 1,
        age: float = 0.0,
        receives: int = 1,
        timeout: int = 30,
        rounds: int = 0,
        type: str = "",
        number: int | None = None,
    ) -> dict[str, Any]:
        """A delivery. `age`: seconds since it was sent. `number` tells messages apart."""
        at = next(self._ids) if number is None else number
        record: dict[str, Any] = copy.deepcopy(event("worker", "one")["Records"][0])
        wakeup = WakeUp(
            tenant=TENANT, task=task_id, generation=generation, type=type, timeout_seconds=timeout, rounds=rounds
        )
        record["messageId"] = f"message-{at}"
        record["receiptHandle"] = f"receipt-{at}"
        record["body"] = wakeup.body()
        record["attributes"]["SentTimestamp"] = str(self.clock.now - round(age * 1000))
        record["attributes"]["ApproximateReceiveCount"] = str(receives)
        return record

    def deliver(self, *messages: dict[str, Any], remaining_ms: int = 60_000) -> list[str]:
        """One invocation of the worker with this batch. Returns the ids of the messages that stay in the queue."""
        self.aws.forget_calls()
        answer = self.aws.invoke("worker", {"Records": list(messages)}, remaining_ms=remaining_ms)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def deliver_sent(self) -> list[str]:
        """Delivers every wake-up that was sent since the last delivery, in one batch."""
        sent = self.aws.wakeups()
        return self.deliver(*(self.message(wakeup["task"], generation=wakeup["generation"]) for wakeup in sent))

    def shown_again(self) -> list[int]:
        """Seconds, of every message whose visibility the last delivery changed."""
        return [
            call.parameters["VisibilityTimeout"]
            for call in self.aws.calls
            if call.name == "sqs.ChangeMessageVisibility"
        ]

    def outcomes(self, task_id: str = ID) -> Sequence[str]:
        return [attempt.outcome for attempt in self.task(task_id).history]


def metrics(written: str) -> dict[str, Any]:
    """Of what a function printed: metric → value or values, over all of its lines."""
    gathered: dict[str, Any] = {}
    for line in written.splitlines():
        if line.startswith('{"_aws"'):
            found = json.loads(line)
            gathered |= {m["Name"]: found[m["Name"]] for m in found["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    return gathered
