"""A cloud for runs of thousands of nodes: moto's table without HTTP, and a lane that a test can shuffle, repeat, crash.

Everything else is as in `Cloud`: the functions are the real ones, entry points and all.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from functions.core.wakeup import WakeUp
from local.aws.capacity import item_bytes
from tests.integration.cloud import TABLE, Cloud, environment
from tests.simulation.dynamodb import ConditionalCheckFailedException, DynamoDB

WRITES = ("put_item", "update_item", "delete_item")


class Killed(BaseException):
    """The process of a function ends here."""


@dataclass
class Message:
    id: str
    body: str
    at: int
    receives: int = 0


@dataclass
class Quick(Cloud):
    """`clock`: epoch ms, moves only when nothing is due. `chaos`: seeded trouble; None: none. `deaths`: how many calls
    of AWS out of 1,000 are the last of their process. `counted`: calls by name; `units`: write units, a kilobyte each;
    `refused`: writes whose condition did not hold."""

    clock: Any = None
    chaos: random.Random | None = None
    deaths: int = 0
    died: int = 0
    duplicates: float = 0.0
    documents: dict[str, bytes] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What was said to the executions that wait: token, output."""
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Executions: name, input."""
    started_at: dict[str, int] = field(default_factory=dict)
    """Name → epoch ms, the first time."""
    ended: set[str] = field(default_factory=set)
    """Names of executions that run no more."""
    watch: Callable[[Any, Any], None] = lambda before, after: None
    """Called with a task's record before and after each write of it."""
    dying: bool = False

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        indexes = {"listing": ("listPk", "listSk"), "deadLetters": ("deadPk", "deadSk")}
        names = ("pk", "sk", *(name for pair in indexes.values() for name in pair))
        self.table = DynamoDB(
            {
                "TableName": TABLE,
                "KeySchema": key_schema("pk", "sk"),
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": name,
                        "KeySchema": key_schema(*pair),
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                    for name, pair in indexes.items()
                ],
                "BillingMode": "PAY_PER_REQUEST",
            },
            self._wrote,
        )
        self.env = environment() | {"LOG_LEVEL": "WARNING"}

    # -- what the functions call

    def service(self, name: str, attempts: int = 6) -> Any:
        """In the place of functions.aws.clients.client."""
        return Service(self, name)

    def called_by_function(self, service: str, operation: str, arguments: dict[str, Any]) -> Any:
        with self.lock:
            if self.dying:
                raise Killed
            self.counted[f"{service}.{operation}"] += 1
            dies = self.chaos is not None and self.chaos.randrange(1000) < self.deaths
            if dies and self.chaos is not None and self.chaos.random() < 0.5:
                self._die()
            answer = getattr(self, f"_{service}")(operation, arguments)
            if dies:
                self._die()
            return answer

    def _die(self) -> None:
        self.died += 1
        self.dying = True
        raise Killed

    def invoke(self, name: str, event: dict[str, Any], *, remaining_ms: int = 60_000) -> Any:
        try:
            return super().invoke(name, event, remaining_ms=remaining_ms)
        finally:
            self.dying = False

    def _dynamodb(self, operation: str, arguments: dict[str, Any]) -> Any:
        try:
            return self.table.call(operation, arguments)
        except ConditionalCheckFailedException:
            self.counted["refused"] += 1
            raise

    def _sqs(self, operation: str, arguments: dict[str, Any]) -> Any:
        entries = arguments.get("Entries", [arguments])
        if operation in ("send_message", "send_message_batch"):
            assert len(entries) <= 10
            for entry in entries:
                at = self.clock() + entry.get("DelaySeconds", 0) * 1000
                self.counted["messages"] += 1
                identifier = f"m{self.counted['messages']}"
                self.messages[identifier] = Message(identifier, entry["MessageBody"], at)
            return {"Successful": []}
        if operation == "change_message_visibility":
            if message := self.messages.get(arguments["ReceiptHandle"]):
                message.at = self.clock() + arguments["VisibilityTimeout"] * 1000
            return {}
        raise NotImplementedError(operation)

    def _s3(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "put_object":
            self.documents[arguments["Key"]] = arguments["Body"]
            return {}
        if operation == "delete_object":
            self.documents.pop(arguments["Key"], None)
            return {}
        return {"Body": SimpleNamespace(read=lambda: self.documents[arguments["Key"]])}

    def _stepfunctions(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "send_task_success":
            self.told.append((arguments["taskToken"], json.loads(arguments["output"])))
            return {}
        started = (arguments["name"], json.loads(arguments["input"]))
        if arguments["name"] in self.ended:
            raise Service.exceptions.ExecutionAlreadyExists
        self.started += [started] if started not in self.started else []
        at = self.started_at.setdefault(arguments["name"], self.clock())
        return {"startDate": datetime.fromtimestamp(at / 1000, UTC)}

    def _wrote(self, operation: str, before: Any, after: Any) -> None:
        size = max(item_bytes(before), item_bytes(after))
        self.counted["units"] += max(1, -(-size // 1024))
        if (after or before)["sk"]["S"] == "TASK":
            self.watch(before, after)

    # -- the lane

    def work_off(self, *, most: int = 1_000_000, until: Callable[[], bool] = lambda: False) -> int:
        """Delivers until the lanes are empty; returns how many messages were handled."""
        handled = 0
        while self.messages and handled < most and not until():
            due = [m for m in self.messages.values() if m.at <= self.clock()]
            if not due:
                soonest = min(m.at for m in self.messages.values())
                self.clock.advance((soonest - self.clock()) / 1000)
                continue
            if self.chaos is not None:
                self.chaos.shuffle(due)
            batch = due[:10]
            handled += len(batch)
            self._deliver(batch)
            if self.chaos is not None and self.chaos.random() < self.duplicates:
                self._deliver(batch)
        return handled

    def _deliver(self, batch: list[Message]) -> None:
        for message in batch:
            message.receives += 1
            message.at = self.clock() + 70_000
        records = [
            {
                "messageId": message.id,
                "receiptHandle": message.id,
                "body": message.body,
                "attributes": {
                    "SentTimestamp": str(self.clock()),
                    "ApproximateReceiveCount": str(message.receives),
                },
            }
            for message in batch
        ]
        try:
            failures = self.invoke("worker", {"Records": records})["batchItemFailures"]
        except Killed:
            return
        kept = {failure["itemIdentifier"] for failure in failures}
        for message in batch:
            if message.id not in kept:
                self.messages.pop(message.id, None)

    def waiting(self) -> list[str]:
        """Task ids that have a wake-up under way."""
        return [WakeUp.parse(message.body).task for message in self.messages.values()]


def key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


class Service:
    """boto3's client of one service."""

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=ConditionalCheckFailedException,
        ExecutionAlreadyExists=type("ExecutionAlreadyExists", (Exception,), {}),
        TaskTimedOut=type("TaskTimedOut", (Exception,), {}),
        TaskDoesNotExist=type("TaskDoesNotExist", (Exception,), {}),
        InvalidToken=type("InvalidToken", (Exception,), {}),
    )

    def __init__(self, cloud: Quick, name: str) -> None:
        self._cloud = cloud
        self._name = name

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._cloud.called_by_function(self._name, operation, arguments)
