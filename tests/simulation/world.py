"""One seed's world: clock, table, queues, timers, stream, functions, and the log of what happened in it."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.core.task import Document
from functions.store import keys
from tests.simulation.deployment import (
    ACCOUNT,
    ALL_LANES,
    CONFIG,
    DEAD_LETTER_VISIBILITY_SECONDS,
    MAX_RECEIVES,
    PRODUCER_PAUSE_SECONDS,
    TABLE,
)
from tests.simulation.dynamodb import DynamoDB
from tests.simulation.events import Events
from tests.simulation.executions import Executions
from tests.simulation.faults import Faults
from tests.simulation.fibers import MS, SECOND, Hub, Process, running
from tests.simulation.functions import Functions
from tests.simulation.handlers import START, Deployment
from tests.simulation.invariants import Watch
from tests.simulation.queues import SQS, Queue
from tests.simulation.seams import NOW, installed
from tests.simulation.stream import Stream
from tests.simulation.timers import Scheduler

POOL_CONCURRENCY = 2
STEPS = 60_000
"""A seed takes some thousands; one that needs more does not come to rest."""
PASSING = frozenset({"StoreUnavailable", "NotLandedError", "StillRunningError"})
CREATE_TABLE: dict[str, Any] = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "listPk", "listSk", "deadPk", "deadSk")
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": f"{keys}Pk", "KeyType": "HASH"},
                {"AttributeName": f"{keys}Sk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for name, keys in (("listing", "list"), ("deadLetters", "dead"))
    ],
}
_TABLE: list[DynamoDB] = []


def table(write: Callable[..., None]) -> DynamoDB:
    """One for all seeds of a process: what it has learned of expressions is kept, its items are not."""
    if not _TABLE:
        _TABLE.append(DynamoDB(CREATE_TABLE))
    _TABLE[0].clear()
    _TABLE[0].write = write
    return _TABLE[0]


class World:
    def __init__(self, seed: int, *, log: bool = False, steps: int = STEPS) -> None:
        self.seed = seed
        self.log: list[str] | None = [] if log else None
        self.counted: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.injected: dict[str, int] = {}
        self.violations: list[str] = []
        self.faults = Faults(seed)
        self.faults.world = self
        self.hub = Hub(START, self.faults.random.random, steps)
        self.watch = Watch(self)
        self.table = table(self._wrote)
        self.stream = Stream(self, self.faults.choose((1, 2, 4)))
        self.queues = [queue for lane in ALL_LANES for queue in self._lane(lane)]
        failures = Queue(self, "producer-failures", "firing", PRODUCER_PAUSE_SECONDS * SECOND, 2, batch=1)
        self.queues.append(failures)
        self.events = Events(self, failures)
        self.timers = Scheduler(self)
        self.executions = Executions(self)
        self.objects: dict[str, bytes] = {}
        self.mails: list[dict[str, Any]] = []
        self.services: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "dynamodb": self.table.call,
            "sqs": SQS(self.queues).call,
            "scheduler": self.timers.call,
            "stepfunctions": self.executions.call,
            "s3": self._s3,
            "ses": self._ses,
        }
        self.functions = Functions(self)
        self.numbers: Counter[str] = Counter()
        self.deployment = Deployment(seed)
        self.entries = installed().entries
        NOW.world = self

    def _lane(self, lane: str) -> tuple[Queue, Queue]:
        dead = Queue(self, f"{lane}-dead", "dead-letter", DEAD_LETTER_VISIBILITY_SECONDS * SECOND, 5)
        queue = Queue(
            self,
            lane,
            f"worker-{lane}",
            CONFIG.visibility_seconds * SECOND,
            next((found.max_concurrency for found in CONFIG.lanes if found.name == lane), POOL_CONCURRENCY),
            MAX_RECEIVES,
            dead,
        )
        if self.faults.rates["outage"] and self.faults.random.random() < self.faults.rates["outage"]:
            queue.outage_until = START + self.faults.within(1200 * SECOND)
        return queue, dead

    def queue_of(self, arn: str) -> Queue:
        return next(queue for queue in self.queues if queue.arn == arn)

    # -- what is kept of a run

    def trace(self, who: str, what: str) -> None:
        if self.log is not None:
            self.log.append(f"{(self.hub.now - START) / SECOND:14.3f}  {who:<16} {what}")

    def count(self, what: str, times: int = 1) -> None:
        self.counted[what] += times

    def violate(self, what: str) -> None:
        self.trace("VIOLATION", what)
        self.violations.append(what)

    def raised(self, function: str, error: BaseException) -> None:
        """An entry point let an exception through: workers and the dead-letter function never may, steps of runs and
        the firing function only what says that it may pass."""
        passing = function in ("workflow", "firing") and type(error).__name__ in PASSING
        if function not in ("api", "observer") and not passing:
            self.violate(f"{function} raised {type(error).__name__}: {error}")

    def identity(self, kind: str) -> str:
        self.numbers[kind] += 1
        return f"{kind}{self.numbers[kind]}"

    # -- AWS calls

    def call(self, service: str, operation: str, arguments: dict[str, Any], *, again: bool = True) -> Any:
        """One call of a function: the point at which anything may happen to it. `again`: botocore may send it twice."""
        fiber = running()
        if fiber is None:
            return self.services[service](operation, arguments)
        process = fiber.process
        if process.dead:
            process.die()
        self.count("calls")
        self.operations[operation] += 1
        plan = self.faults.call(mortal=not process.spared, again=again, left=process.ends_at - self.hub.now)
        name = process.name
        what = f"{operation}{shown(service, arguments)}" if self.log is not None else ""
        if plan.fault is not None:
            self.faults.note(plan.fault, f"{name}: {what}")
            process.frozen |= plan.fault == "frozen"
        self.hub.sleep(plan.way)
        if plan.fault == "killed before":
            process.die()
        if plan.fault == "throttled":
            self.trace(name, f"{what} → throttled")
            self.hub.sleep(plan.back)
            raise throttle(operation)
        answer, error = self._apply(service, operation, arguments, name, what)
        if plan.fault == "killed after":
            process.die()
        if plan.fault == "sent again":
            process.unsure = True
            self.hub.sleep(plan.back + 25 * MS)
            answer, error = self._apply(service, operation, arguments, name, f"{what} (again)")
        self.hub.sleep(plan.back)
        if plan.fault == "answer lost":
            process.unsure = True
            raise ReadTimeoutError(endpoint_url=service)
        if error is not None:
            raise error
        return answer

    def _apply(self, service: str, operation: str, arguments: dict[str, Any], name: str, what: str) -> Any:
        try:
            answer = self.services[service](operation, arguments)
        except ClientError as error:
            if self.log is not None:
                self.trace(name, f"{what} → {error.response['Error']['Code']}")
            return None, error
        if self.log is not None:
            self.trace(name, what)
        return answer, None

    def _wrote(self, operation: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        fiber = running()
        self.watch.write(fiber.process if fiber is not None else None, operation, before, after)
        self.stream.write(before, after)

    def _s3(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        key = arguments["Key"]
        if operation == "put_object":
            body = arguments["Body"]
            self.objects[key] = body if isinstance(body, bytes) else body.encode()
            return {}
        if operation == "delete_object":
            self.objects.pop(key, None)
            return {}
        if key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": key}}, operation)
        return {"Body": io.BytesIO(self.objects[key])}

    def document(self, identity: str, kept: Document | None) -> Any:
        """What functions/store/documents.py has kept of a task or a run, read behind everybody's back."""
        if kept is None or kept.ref is None:
            return json.loads((kept and kept.inline) or "null")
        place, _, name = kept.ref.partition(":")
        if place == "s3":
            return json.loads(self.objects[name])
        item = self.table.item(keys.task_partition(ACCOUNT, identity), name)
        assert item is not None
        return json.loads(item["document"]["S"])

    def _ses(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        text = arguments["Message"]["Body"]["Text"]["Data"]
        if any(mail["Message"]["Body"]["Text"]["Data"] == text for mail in self.mails):
            self.violate(f"two mails: {text}")
        self.mails.append(arguments)
        return {"MessageId": f"mail-{len(self.mails)}"}

    # -- running

    def expire(self) -> None:
        """TTL removes every settled task within two days of its time; faults begin anew."""
        self.trace("world", "TTL removes what has settled")
        self.faults.calls = 0
        for item in list(self.table.items()):
            if "expiresAt" in item:
                key = {"pk": item["pk"], "sk": item["sk"]}
                when = int(item["expiresAt"]["N"]) * SECOND + self.faults.within(48 * 3600 * SECOND)

                def remove(key: dict[str, Any] = key) -> None:
                    self.stream.write(self.table.expire(key), None, expired=True)

                self.hub.at(when, remove)
        self.hub.run()

    def pause(self, seconds: float) -> None:
        """A handler works: another point at which it may be killed."""
        fiber = running()
        assert fiber is not None
        if self.faults.happens("killed before", f"{fiber.process.name}: in the handler"):
            fiber.process.die()
        self.hub.sleep(round(seconds * SECOND))

    def client(self, call: Callable[[], None]) -> None:
        """Somebody outside: lives for ever, makes no AWS calls."""
        fiber = self.hub.spawn(Process(self.hub, self.identity("client")), call)

        def ended() -> None:
            if fiber.error is not None:
                raise fiber.error

        fiber.after = ended


def throttle(operation: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },
        operation,
    )


def shown(service: str, arguments: dict[str, Any]) -> str:
    """The call's arguments, as short as a reader of a schedule needs them."""
    if service == "dynamodb":
        key = arguments.get("Key") or arguments.get("Item")
        if key:
            values = arguments.get("ExpressionAttributeValues", {})
            literal = " ".join(f"{name}={next(iter(value.values()))}" for name, value in values.items())
            text = arguments.get("UpdateExpression", "")
            return f" {key['pk']['S'].rpartition('#')[2][-8:]}/{key['sk']['S'][:24]} {text} {literal}"[:700]
        return f" {arguments.get('KeyConditionExpression', '')}"
    if service == "sqs":
        return " " + " ".join(str(arguments[k]) for k in arguments if k != "QueueUrl")
    return f" {arguments.get('Name') or arguments.get('name') or arguments.get('Key') or ''}"
