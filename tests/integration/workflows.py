"""Drives runs in process: the steps that Step Functions would take, and the lanes' wake-ups until nothing is left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from taskyard.tasks.retry import RetryPolicy

from functions.core.task import Task
from functions.core.workflows import definition
from functions.core.workflows.run import NodeSpec, Run, RunState, node_task_id
from functions.runtime import wiring
from functions.runtime.environment import WorkflowEnvironment
from functions.workflow import handler
from infra.functions.run_machine import definition as definition_of_machine
from local.step_functions.states_language import TOKEN_SUFFIX, fill_template, read_path, write_path
from tests.integration.api import MESSAGE
from tests.integration.cloud import TENANT, Cloud
from tests.integration.quick import Killed, Quick

RUN = "01k00000000000000000000000"
FAILS = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}}


def node(name: str, *depends_on: str, **fields: Any) -> dict[str, Any]:
    """As POST /workflows takes it."""
    return {"name": name, **MESSAGE, "dependsOn": list(depends_on), **fields}


def spec(
    name: str, *depends_on: str, type: str = "DELAYED_MESSAGE", payload: Any = None, attempts: int = 1, at: int = 0
) -> NodeSpec:
    return NodeSpec(
        name=name,
        type=type,
        payload={"message": name} if payload is None else payload,
        depends_on=depends_on,
        priority=5,
        timeout_seconds=30,
        retry=RetryPolicy(max_attempts=attempts, strategy="fixed", base_seconds=0),
        available_at=at,
    )


def random_specs(seed: int, size: int, most: int = 5) -> list[NodeSpec]:
    """Each node waits for up to `most` - 1 earlier ones, mostly of the last hundred; a few wait for very many."""
    drawn = random.Random(seed)
    specs = []
    for at in range(size):
        count = min(at, drawn.choice((60, 90)) if drawn.random() < 0.01 else drawn.randrange(most))
        near = range(max(0, at - 100), at)
        specs.append(spec(f"n{at}", *{f"n{drawn.choice(near)}" for _ in range(count)}))
    drawn.shuffle(specs)
    return specs


def submit(aws: Cloud, specs: Sequence[NodeSpec], *, on_failure: str = "continue", now: int = 0) -> Run:
    environment = WorkflowEnvironment(aws.env)
    shape = definition.plan_of_specs(specs)
    documents = wiring.documents(environment, environment.document_bucket)
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
        definition=documents.store_definition(TENANT, RUN, definition.definition_to_json(specs)),
        digest="",
    )
    assert wiring.run_store(environment).create(run) is None
    return run


def step(aws: Cloud, name: str, run: Run, **more: Any) -> Any:
    return invoked(aws, {"step": name, "tenant": run.tenant, "run": run.id, "round": run.round, **more})


def invoked(aws: Cloud, event: dict[str, Any]) -> Any:
    """Tried again when its process dies, as the state machine does."""
    while True:
        try:
            return aws.invoke("workflow", event)
        except Killed:
            continue


def begin(aws: Cloud, run: Run, token: str = "token") -> None:
    step(aws, "start", run)
    step(aws, "release", run, token=token, nth=0)


def whole(aws: Quick, specs: Sequence[NodeSpec], **options: Any) -> tuple[Run, dict[str, Any]]:
    """From submit to end; how it ended."""
    run = submit(aws, specs, **options)
    return run, executed(aws, run)[1]


def executed(aws: Quick, run: Run) -> tuple[list[str], dict[str, Any]]:
    """An execution of the deployed machine, as far as it meets no error: the states that it enters, its output."""
    machine = definition_of_machine("workflow", partition="aws")
    data: Any = {
        "tenant": run.tenant,
        "run": run.id,
        "round": run.round,
        "deadlineSeconds": run.deadline_seconds,
    }
    entered, name = [], machine["StartAt"]
    while name:
        entered.append(name)
        state = machine["States"][name]
        given = fill_template(state["Parameters"], data, {"Task": {"Token": "token"}, "State": {"RetryCount": 0}})
        result = {"Payload": invoked(aws, given["Payload"])}
        if state["Resource"].endswith(TOKEN_SUFFIX):
            aws.work_off()
            assert aws.told, "the run was never told that it is done"
            result = aws.told[0][1]
        data = read_path(state.get("OutputPath", "$"), write_path(state.get("ResultPath", "$"), data, result), {})
        name = state.get("Next")
    return entered, data


def again(aws: Quick, run: Run) -> Run:
    """The next round, as the API begins it."""
    before = current(run)
    assert before is not None
    next_round = handler.services().runs.start_next_round(before)
    assert next_round is not None
    return next_round


def current(run: Run) -> Run | None:
    return handler.services().runs.get(TENANT, run.id)


def nodes(run: Run) -> dict[str, Task]:
    """By name."""
    found = handler.services().tasks.get_by_ids(TENANT, [node_task_id(run.id, at) for at in range(run.nodes)])
    return {task.membership.name: task for task in found.values() if task.membership is not None}


def states(run: Run) -> dict[str, str]:
    return {name: str(task.state) for name, task in nodes(run).items()}
