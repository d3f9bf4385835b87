"""Drives runs in process: the steps that Step Functions would take, and the lanes' wake-ups until nothing is left."""

from __future__ import annotations

import random
from typing import Any

from functions.core import definition
from functions.core.dag import Node, plan
from functions.core.retry import RetryPolicy
from functions.core.run import NodeSpec, Run, RunState, node_id
from functions.runtime import wiring
from functions.runtime.settings import WorkflowSettings
from functions.workflow import handler
from tests.integration.cloud import TENANT, Cloud

RUN = "01k00000000000000000000000"


def spec(
    name: str, *depends_on: str, type: str = "DELAYED_MESSAGE", payload: Any = None, attempts: int = 1
) -> NodeSpec:
    return NodeSpec(
        name=name,
        type=type,
        payload={"message": name} if payload is None else payload,
        depends_on=depends_on,
        priority=5,
        timeout_seconds=30,
        retry=RetryPolicy(max_attempts=attempts, strategy="fixed", base_seconds=0),
        available_at=0,
    )


def random_specs(seed: int, size: int, most: int = 5) -> list[NodeSpec]:
    drawn = random.Random(seed)
    return [
        spec(f"n{at}", *{f"n{drawn.randrange(at)}" for _ in range(drawn.randrange(most)) if at}) for at in range(size)
    ]


def submit(aws: Cloud, specs: list[NodeSpec], *, on_failure: str = "continue", now: int = 0) -> Run:
    settings = WorkflowSettings.from_env(aws.env)
    shape = plan([Node(one.name, one.depends_on) for one in specs])
    run = Run(
        tenant=TENANT,
        id=RUN,
        name="test",
        state=RunState.PENDING,
        nodes=shape.nodes,
        edges=shape.edges,
        created_at=now,
        deadline_seconds=3600,
        on_failure="cancel" if on_failure == "cancel" else "continue",
        definition=wiring.documents(settings, settings.document_bucket).keep_payload(
            TENANT, RUN, definition.written(specs)
        ),
        digest="",
    )
    assert wiring.run_store(settings).create(run) is None
    return run


def step(aws: Cloud, name: str, run: Run, **more: Any) -> Any:
    event = {"step": name, "tenant": run.tenant, "run": run.id, "round": run.round, **more}
    return aws.invoke("workflow", event)


def begin(aws: Cloud, run: Run, token: str = "token") -> None:
    step(aws, "start", run)
    step(aws, "release", run, token=token)


def work_off(aws: Cloud, *, rounds: int = 10_000) -> int:
    """Until the lane is empty. Returns how many messages were handled."""
    handled = 0
    for _ in range(rounds):
        event = aws.deliver()
        if not event["Records"]:
            return handled
        handled += len(event["Records"])
        failures = {entry["itemIdentifier"] for entry in aws.invoke("worker", event)["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failures:
                aws.client("sqs").delete_message(QueueUrl=lane_url(aws), ReceiptHandle=record["receiptHandle"])
    raise AssertionError("does not come to rest")


def lane_url(aws: Cloud) -> str:
    import json

    return str(json.loads(aws.env["LANES"])["normal"]["url"])


def states(aws: Cloud, run: Run) -> list[str]:
    tasks = handler.assembled().tasks.get_many(TENANT, [node_id(run.id, at) for at in range(run.nodes)])
    return [tasks[node_id(run.id, at)].state for at in range(run.nodes)]
