"""Runs of workflows, in this process: the steps that Step Functions would take, and the lane's wake-ups until none is
left. Orders: {"shape", "size"}; answers {"nodes", "edges", "succeeded", "handled"}."""

import json
import os
import sys


def specs(shape: str, size: int) -> list:
    from tests.integration.workflows import random_specs, spec

    if shape == "chain":
        return [spec(f"n{at}", *([f"n{at - 1}"] if at else [])) for at in range(size)]
    if shape == "independent":
        return [spec(f"n{at}") for at in range(size)]
    middle = [f"m{at}" for at in range(size - 2)]
    if shape == "fan":
        return [spec("first"), *(spec(name, "first") for name in middle), spec("last", *middle)]
    return random_specs(1, size)


def work_off(aws) -> int:
    """As an event source mapping: ten at a time, deleted in one call. How many were handled."""
    url, handled = os.environ["BENCH_QUEUE"], 0
    while records := (event := aws.deliver())["Records"]:
        kept = {entry["itemIdentifier"] for entry in aws.invoke("worker", event)["batchItemFailures"]}
        done = [record["receiptHandle"] for record in records if record["messageId"] not in kept]
        handled += len(done)
        if done:
            entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(done)]
            aws.client("sqs").delete_message_batch(QueueUrl=url, Entries=entries)
    return handled


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from functions.aws.executions import Executions
    from tests.integration.cloud import Cloud
    from tests.integration.workflows import begin, states, step, submit

    # moto has no execution that waits: the one call that reports the end of a run is counted by hand.
    Executions.send_success = lambda self, token, output: True
    aws = Cloud(env=dict(os.environ))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        nodes = specs(order["shape"], order["size"])
        run = submit(aws, nodes)
        begin(aws, run)
        handled = work_off(aws)
        succeeded = sum(state == "SUCCESS" for state in states(run).values())
        step(aws, "finish", run, outcome="done")
        answer = {"nodes": run.nodes, "edges": run.edges, "succeeded": succeeded, "handled": handled}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
