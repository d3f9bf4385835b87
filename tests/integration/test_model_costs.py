"""The model's writes of a task and of a run (tests/model/costs.py) are those that the functions make."""

from __future__ import annotations

import pytest

from tests.integration.api import Api
from tests.integration.cloud import Cloud
from tests.integration.quick import WRITES, Quick
from tests.integration.workflows import spec, whole
from tests.model.costs import run_cost, task_writes
from tests.model.workload import Shape, Workload


@pytest.mark.parametrize(
    "shape",
    [
        Shape(name="chain", width=1, levels=5, runs_share=1),
        Shape(name="two levels", width=3, levels=4, runs_share=1),
        Shape(name="with joins", width=100, levels=3, runs_share=1),
    ],
    ids=lambda shape: shape.name,
)
def test_a_run(quick: Quick, shape: Shape) -> None:
    _, end = whole(quick, [spec(node.name, *node.depends_on) for node in shape.nodes()])
    assert end["state"] == "SUCCESS"
    # Nodes that end side by side may each find themselves not the last: a write more now and then.
    model = run_cost(shape).writes
    assert model <= sum(quick.counted[f"dynamodb.{name}"] for name in WRITES) <= model * 1.05 + 2


def test_a_task(aws: Cloud, api: Api) -> None:
    aws.forget_calls()
    api.submit()
    assert aws.called().count("dynamodb.PutItem") == 1
    event = aws.deliver()
    aws.forget_calls()
    assert aws.invoke("worker", event) == {"batchItemFailures": []}
    assert aws.called().count("dynamodb.UpdateItem") == 2
    assert task_writes(Workload(tasks_per_second=1, retries_per_task=0)) == 3
