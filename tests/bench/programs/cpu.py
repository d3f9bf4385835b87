"""CPU per task of the worker's and the api's own code, beside bare boto3 making the very same calls, in one process.

Blocks alternate: the product on so many tasks, then a plain loop that sends recorded parameters (keys and times
replaced). `process_time` counts all threads of this process and nothing else, so neither the server nor the network
is in it. Prints JSON: {"worker": {...}, "api": {...}}, milliseconds per task of every block.
"""

import copy
import json
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

BLOCK = 100


class Recorder:
    """Keeps the parameters of the product's calls while it is on."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict]] | None = None
        from functions.aws.clients import session

        session().register("provide-client-params", self._note)  # before any client is made

    def _note(self, params: dict, model, **_) -> None:
        if self.calls is not None:
            self.calls.append((model.name, copy.deepcopy(params)))


def timed(work) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / BLOCK


def context() -> SimpleNamespace:
    return SimpleNamespace(
        aws_request_id=str(uuid.uuid4()), function_name="f", get_remaining_time_in_millis=lambda: 60_000
    )


def main(blocks: int) -> dict:
    recorder = Recorder()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import taskyard_submit
    from taskyard_worker import record

    from functions.aws.clients import client
    from functions.worker.handler import handler

    sqs, dynamodb, url = client("sqs"), client("dynamodb"), os.environ["BENCH_QUEUE"]

    def submit(count: int) -> None:
        for at in range(count):
            body = taskyard_submit.task({"task": f"c{at}", "what": "noop"}, 0)
            status, answer = taskyard_submit.by_function("/tasks", body)
            assert status == 201, answer

    def batches(count: int) -> list[dict]:
        events = []
        while sum(len(event["Records"]) for event in events) < count:
            received = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            ).get("Messages", [])
            events.append(
                {"Records": [record(message, "arn:aws:sqs:us-east-1:123456789012:bench") for message in received]}
            )
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(received)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return events

    def recorded(work) -> list[tuple[str, dict]]:
        recorder.calls = []
        work()
        calls, recorder.calls = recorder.calls, None
        return calls

    # Templates, one task each.
    put_calls = recorded(lambda: submit(1))
    work_calls = recorded(lambda: [handler(event, context()) for event in batches(1)])
    updates = [params for name, params in work_calls if name == "UpdateItem"]
    assert [name for name, _ in put_calls] == ["SendMessage", "PutItem"], put_calls
    assert len(updates) == 2, work_calls
    (_, send), (_, put) = put_calls

    def bare_work(keys: list[dict], threads: int) -> None:
        def one(key: dict) -> None:
            now = {"N": str(time.time_ns() // 1_000_000)}
            for params in updates:
                values = dict(params["ExpressionAttributeValues"])
                if ":now" in values:
                    values[":now"] = now
                dynamodb.update_item(**{**params, "Key": key, "ExpressionAttributeValues": values})

        if threads == 1:
            for key in keys:
                one(key)
        else:
            for at in range(0, len(keys), 10):
                list(POOL.map(one, keys[at : at + 10]))

    def bare_api(keys: list[str]) -> None:
        for key in keys:
            sqs.send_message(**send)
            dynamodb.put_item(**{**put, "Item": {**put["Item"], "pk": {"S": key}}})

    def product_work(events: list[dict]) -> None:
        for event in events:
            handler(event, context())

    def keys_of(events: list[dict]) -> list[dict]:
        found = []
        for event in events:
            for one in event["Records"]:
                wakeup = json.loads(one["body"])
                found.append({"pk": {"S": f"TASK#{wakeup['tenant']}#{wakeup['task']}"}, "sk": {"S": "TASK"}})
        return found

    results: dict[str, dict[str, list[float]]] = {
        "worker": {"product": [], "bare": [], "bareThreads": []},
        "api": {"product": [], "bare": []},
    }
    POOL = ThreadPoolExecutor(10)
    for block in range(blocks + 1):  # the first one warms up
        keep = block > 0
        for kind in ("product", "bare", "bareThreads"):
            api = timed(lambda: submit(BLOCK))
            if keep and kind == "product":
                results["api"]["product"].append(api)
            events = batches(BLOCK)
            keys = keys_of(events)
            spent = timed(
                lambda kind=kind, events=events, keys=keys: (
                    product_work(events) if kind == "product" else bare_work(keys, 1 if kind == "bare" else 10)
                )
            )
            if keep:
                results["worker"][kind].append(spent)
        spent = timed(lambda block=block: bare_api([f"TASK#bare#{block}-{at}" for at in range(BLOCK)]))
        batches(BLOCK)
        if keep:
            results["api"]["bare"].append(spent)
    print(json.dumps(results), file=out, flush=True)
    return results


if __name__ == "__main__":
    main(int(sys.argv[1]))
