"""The model's writes of a task and of a run (tests/model/costs.py) are those that the functions make."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from functions.aws.executions import Executions
from tests.integration.cloud import Cloud
from tests.integration.workflows import begin, spec, step, submit, work_off
from tests.model.costs import run_cost, task_writes
from tests.model.workload import Shape, Workload

WRITES = ("dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.DeleteItem")


def writes(aws: Cloud) -> int:
    return sum(name in WRITES for name in aws.called())


@pytest.mark.parametrize(
    "shape",
    [
        Shape(name="chain", width=1, levels=5, runs_share=1),
        Shape(name="two levels", width=3, levels=4, runs_share=1),
        Shape(name="with joins", width=45, levels=3, runs_share=1),
    ],
    ids=lambda shape: shape.name,
)
def test_a_run(aws: Cloud, clock: Callable[[], int], monkeypatch: pytest.MonkeyPatch, shape: Shape) -> None:
    monkeypatch.setattr(Executions, "answer", lambda *_: True)
    aws.forget_calls()
    run = submit(aws, [spec(node.name, *node.depends_on) for node in shape.nodes()])
    begin(aws, run)
    work_off(aws)
    assert step(aws, "finish", run, outcome="done")["state"] == "SUCCESS"
    # Nodes that end side by side may each find themselves not the last: a write more now and then.
    model = run_cost(shape).writes
    assert model <= writes(aws) <= model * 1.1 + 2


def test_a_task(aws: Cloud, clock: Callable[[], int], api) -> None:  # type: ignore[no-untyped-def]
    aws.forget_calls()
    api.submit()
    work_off(aws)
    assert writes(aws) == task_writes(Workload(tasks_per_second=1, retries_per_task=0)) == 3
