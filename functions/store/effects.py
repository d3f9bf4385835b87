"""Side effects that must not happen twice: reserved before, recorded after (`ctx.once`)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from functions.core.context import Effect
from functions.core.task import Task
from functions.store import keys
from functions.store.records import number, text
from functions.store.table import Table, Written


@dataclass(frozen=True)
class Effects:
    table: Table

    def reserve(self, task: Task, name: str, *, token: str, now: int) -> Effect | None:
        """None: it is ours. `token` is of this call: a reservation whose answer was lost is known again by it."""
        item = keys.key(task.tenant, task.id, keys.EFFECT + name) | {
            "attempt": number(task.attempt),
            "token": text(token),
            "at": number(now),
        }
        answer = self.table.put(item, unless_there=True)
        if isinstance(answer, Written):
            return None
        found = answer.item
        if found is None or found["token"]["S"] == token:
            return None
        return Effect(
            done="result" in found,
            attempt=int(found["attempt"]["N"]),
            result=json.loads(found["result"]["S"]) if "result" in found else None,
        )

    def record(self, task: Task, name: str, result: str, *, token: str) -> None:
        """`result`: JSON text. A crash before this leaves the effect in doubt; nobody repeats it."""
        self.table.update(
            keys.key(task.tenant, task.id, keys.EFFECT + name),
            "SET #result = :result",
            condition="#token = :token",
            values={":result": text(result), ":token": text(token)},
        )

    def give_back(self, task: Task, name: str, *, token: str) -> None:
        key = keys.key(task.tenant, task.id, keys.EFFECT + name)
        self.table.delete(
            key,
            ConditionExpression="#token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":token": text(token)},
        )
