"""CPU per task of the worker's and the api's own code, beside bare boto3 making the very same calls, in one process.

Bare is what a user writes: clients of `boto3.client` as it makes them, and a loop that sends the parameters that the
product was seen to send (keys and times replaced) and does the task's own work in between. The worker has two of them:
`bare` one task after the other, `threads` ten side by side, as the worker runs a batch. They take turns, ten tasks at a
time. `process_time` counts all threads of this process and nothing else, so neither the server nor the network is in
it. Prints JSON: {"worker": {...}, "api": {...}}, milliseconds per task of every block of a hundred tasks.
"""

import copy
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

BLOCK = 100
BATCH = 10

Call = tuple[str, dict]


@contextmanager
def recording(*clients: Any) -> Iterator[list[Call]]:
    """The calls made by these clients: nothing is hooked into them before or after."""
    calls: list[Call] = []

    def note(params: dict, model: Any, **_: Any) -> None:
        calls.append((model.name, copy.deepcopy(params)))

    for client in clients:
        client.meta.events.register("provide-client-params", note)
    yield calls
    for client in clients:
        client.meta.events.unregister("provide-client-params", note)


def timed(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def context() -> SimpleNamespace:
    return SimpleNamespace(
        aws_request_id=str(uuid.uuid4()), function_name="f", get_remaining_time_in_millis=lambda: 60_000
    )


def now_ms() -> dict:
    return {"N": str(time.time_ns() // 1_000_000)}


class Bench:
    def __init__(self) -> None:
        import boto3
        import notes
        import taskyard_submit
        from taskyard_worker import record

        from functions.aws.clients import client
        from functions.worker.handler import handler

        self.handler, self.record, self.note = handler, record, notes.note
        self.submitted = taskyard_submit
        self.sqs, self.dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
        self.url = os.environ["BENCH_QUEUE"]
        # The bare loop sends messages that are no wake-ups.
        self.thrown_away = self.sqs.create_queue(QueueName="cpu-bare")["QueueUrl"]
        self.threads = ThreadPoolExecutor(BATCH)
        with recording(client("sqs"), client("dynamodb")) as calls:
            self.submit(1)
        assert [name for name, _ in calls] == ["SendMessage", "PutItem"], calls
        (_, self.send), (_, self.put) = calls
        with recording(client("sqs"), client("dynamodb")) as calls:
            self.product_worker(self.received(1))
        assert [name for name, _ in calls] == ["UpdateItem", "UpdateItem"], calls
        (_, self.claim), (_, self.settle) = calls

    def submit(self, count: int) -> None:
        for at in range(count):
            body = self.submitted.task({"task": f"c{at}", "what": "noop"}, 0)
            status, answer = self.submitted.by_function("/tasks", body)
            assert status == 201, answer

    def received(self, count: int) -> dict:
        """So many tasks that were submitted, as the worker's event."""
        received: list[dict] = []
        while len(received) < count:
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=BATCH, MessageSystemAttributeNames=["All"]
            )
            received += answer.get("Messages", [])
        entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(received)]
        self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        arn = "arn:aws:sqs:us-east-1:123456789012:bench"
        return {"Records": [self.record(message, arn) for message in received]}

    def product_worker(self, event: dict) -> None:
        answer = self.handler(event, context())
        assert answer == {"batchItemFailures": []}, answer

    def bare_task(self, record: dict) -> None:
        """One record, without any of the decisions: claim, work, settle."""
        wakeup = json.loads(record["body"])
        key = {"pk": {"S": f"TASK#{wakeup['tenant']}#{wakeup['task']}"}, "sk": {"S": "TASK"}}
        claim = self.claim["ExpressionAttributeValues"] | {":now": now_ms()}
        answer = self.dynamodb.update_item(**self.claim | {"Key": key, "ExpressionAttributeValues": claim})
        payload = json.loads(answer["Attributes"]["payload"]["S"])
        self.note(os.environ["BENCH_NOTES"], "start", payload["task"])
        self.dynamodb.update_item(**self.settle | {"Key": key})

    def bare_worker(self, event: dict) -> None:
        for record in event["Records"]:
            self.bare_task(record)

    def bare_worker_threads(self, event: dict) -> None:
        list(self.threads.map(self.bare_task, event["Records"]))

    def bare_api(self, count: int) -> None:
        for _ in range(count):
            self.sqs.send_message(**self.send | {"QueueUrl": self.thrown_away})
            key = {"pk": {"S": f"TASK#bare#{uuid.uuid4()}"}}
            self.dynamodb.put_item(**self.put | {"Item": self.put["Item"] | key})

    def block(self, first: int) -> dict[str, dict[str, float]]:
        """Milliseconds per task, part → kind. `first`: who begins."""
        spent = {"worker": {"product": 0.0, "bare": 0.0, "threads": 0.0}, "api": {"product": 0.0, "bare": 0.0}}
        workers = {"product": self.product_worker, "bare": self.bare_worker, "threads": self.bare_worker_threads}
        apis = {"product": self.submit, "bare": self.bare_api}
        for turn in range(BLOCK // BATCH):
            for kind in turned([*workers], first + turn):
                self.submit(BATCH)
                event = self.received(BATCH)
                spent["worker"][kind] += timed(partial(workers[kind], event)) / BLOCK
            for kind in turned([*apis], first + turn):
                spent["api"][kind] += timed(partial(apis[kind], BATCH)) / BLOCK
            self.received(BATCH)
        return spent


def main(blocks: int) -> dict[str, dict[str, list[float]]]:
    bench = Bench()
    bench.block(0)  # warms up
    measured = [bench.block(first) for first in range(blocks)]
    return {
        part: {kind: [block[part][kind] for block in measured] for kind in kinds} for part, kinds in measured[0].items()
    }


def turned(kinds: list[str], by: int) -> list[str]:
    first = by % len(kinds)
    return kinds[first:] + kinds[:first]


if __name__ == "__main__":
    # EMF goes to a Lambda's standard output; here that is the way to the bench.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    print(json.dumps(main(int(sys.argv[1]))), file=out, flush=True)
