"""Side effects that must not happen twice: reserved before, recorded after (`ctx.once`)."""

from __future__ import annotations

import json

from taskyard.tasks.effects import Effect
from taskyard.tasks.text import truncate

from functions.core.task import ERROR_LIMIT, Document, Task
from functions.store import keys
from functions.store.documents import Documents
from functions.store.records import document_attributes, number_value, string_value
from functions.store.table import Table, Updated


class Effects:
    def __init__(self, table: Table, documents: Documents) -> None:
        self.table = table
        self.documents = documents

    def reserve(self, task: Task, name: str, *, token: str, now: int) -> Effect | None:
        """None: this call reserved the effect. Otherwise, the effect as another call left it. `token` identifies the
        call: a repetition recognizes its own reservation by it."""
        item = keys.task_key(task.tenant, task.id, keys.EFFECT + name) | {
            "attempt": number_value(task.attempt),
            "token": string_value(token),
            "at": number_value(now),
        }
        answer = self.table.put(item, if_absent=True)
        if isinstance(answer, Updated):
            return None
        existing = answer.item
        if existing is None or existing["token"]["S"] == token:
            return None
        stored = Document(
            inline=existing["result"]["S"] if "result" in existing else None,
            ref=existing["resultRef"]["S"] if "resultRef" in existing else None,
        )
        return Effect(
            done=not existing.keys().isdisjoint({"result", "resultRef", "problem"}),
            attempt=int(existing["attempt"]["N"]),
            result=self.documents.read(task.tenant, task.id, stored),
            problem=existing["problem"]["S"] if "problem" in existing else None,
        )

    def record(self, task: Task, name: str, result: str | None, problem: str | None, *, token: str) -> Effect:
        """`result`: JSON text, or None with the `problem` that prevents storing it. A crash before this leaves the
        effect in doubt, and no attempt repeats it."""
        stored = Document()
        if result is not None:
            try:
                stored = self.documents.store_effect_result(task.tenant, task.id, result)
            except Exception as error:
                # That the effect is done matters more than its result, and is recorded in any case.
                problem = str(error)
        problem = problem and truncate(problem, ERROR_LIMIT)
        fields = {"problem": string_value(problem)} if problem else document_attributes("result", stored)
        self.table.update(
            keys.task_key(task.tenant, task.id, keys.EFFECT + name),
            "SET " + ", ".join(f"#{field} = :{field}" for field in fields),
            condition="#token = :token",
            values={f":{field}": value for field, value in fields.items()} | {":token": string_value(token)},
        )
        return Effect(True, task.attempt, None if problem or result is None else json.loads(result), problem)

    def cancel_reservation(self, task: Task, name: str, *, token: str) -> None:
        key = keys.task_key(task.tenant, task.id, keys.EFFECT + name)
        self.table.delete(
            key,
            ConditionExpression="#token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":token": string_value(token)},
        )
