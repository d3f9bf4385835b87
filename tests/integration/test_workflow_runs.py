"""A run releases its nodes in order, each once, and is told when all have ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from functions.core.run import node_id
from functions.store.tasks import TaskStore
from functions.workflow import handler
from tests.integration.cloud import TENANT, Cloud
from tests.integration.workflows import begin, random_specs, spec, states, step, submit, work_off

FAILS = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What was said to the execution that waits."""
    from functions.aws.executions import Executions

    said: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(Executions, "answer", lambda self, token, output: said.append((token, output)) or True)
    return said


def started(aws: Cloud, run, index: int) -> int:
    task = handler.assembled().tasks.get(TENANT, node_id(run.id, index))
    assert task is not None
    assert task.started_at is not None
    return task.started_at


def test_a_diamond_runs_in_order(aws: Cloud, clock: Callable[[], int], answered):
    specs = [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")]
    run = submit(aws, specs)
    begin(aws, run)
    assert states(aws, run) == ["READY", "BLOCKED", "BLOCKED", "BLOCKED"]
    work_off(aws)
    assert states(aws, run) == ["SUCCESS"] * 4
    assert answered == [("token", {"outcome": "done"})]
    assert step(aws, "finish", run, outcome="done") == {"state": "SUCCESS", "counts": {"SUCCESS": 4}}


def test_a_failed_node_skips_its_descendants_and_the_rest_goes_on(aws: Cloud, clock, answered):
    specs = [spec("a"), spec("bad", "a", **FAILS), spec("behind", "bad"), spec("last", "behind", "c"), spec("c", "a")]
    run = submit(aws, specs)
    begin(aws, run)
    work_off(aws)
    assert states(aws, run) == ["SUCCESS", "DEAD", "SKIPPED", "SKIPPED", "SUCCESS"]
    assert answered == [("token", {"outcome": "done"})]
    ended = step(aws, "finish", run, outcome="done")
    assert ended == {"state": "FAILED", "counts": {"SUCCESS": 2, "DEAD": 1, "SKIPPED": 2}}


def test_on_failure_cancel_ends_what_has_not_started(aws: Cloud, clock, answered):
    specs = [spec("bad", **FAILS), spec("x"), spec("y", "x"), spec("z", "y")]
    run = submit(aws, specs, on_failure="cancel")
    begin(aws, run)
    work_off(aws, rounds=10)
    assert ("token", {"outcome": "cancel"}) in answered
    assert step(aws, "finish", run, outcome="cancel")["state"] == "FAILED"


def test_the_deadline_cancels_what_has_not_started(aws: Cloud, clock, answered):
    run = submit(aws, [spec("a"), spec("b", "a")])
    begin(aws, run)
    assert step(aws, "finish", run, outcome="timeout") == {"state": "TIMED_OUT", "counts": {"CANCELLED": 2}}
    work_off(aws)
    assert states(aws, run) == ["CANCELLED", "CANCELLED"]


def test_steps_that_run_again_change_nothing(aws: Cloud, clock, answered):
    run = submit(aws, [spec("a"), spec("b", "a")])
    begin(aws, run)
    work_off(aws)
    begin(aws, run, token="second")
    work_off(aws)
    assert states(aws, run) == ["SUCCESS", "SUCCESS"]
    assert answered[-1] == ("second", {"outcome": "done"})
    assert step(aws, "finish", run, outcome="done") == step(aws, "finish", run, outcome="done")


def test_a_retry_runs_only_what_did_not_succeed(aws: Cloud, clock, answered, monkeypatch):
    many = [f"m{at}" for at in range(45)]
    specs = [*(spec(name) for name in many), spec("bad", **FAILS), spec("end", *many, "bad"), spec("free")]
    run = submit(aws, specs)
    begin(aws, run)
    work_off(aws)
    step(aws, "finish", run, outcome="done")
    again = handler.assembled().runs.again(handler.assembled().runs.get(TENANT, run.id))
    from functions.tasks import fail_sometimes

    monkeypatch.setattr(fail_sometimes.random.Random, "random", lambda self: 1.0)
    begun = {at: started(aws, run, at) for at in range(45)}
    begin(aws, again, token="round two")
    work_off(aws)
    assert states(aws, run) == ["SUCCESS"] * len(specs)
    assert answered[-1] == ("round two", {"outcome": "done"})
    assert step(aws, "finish", again, outcome="done")["counts"] == {"SUCCESS": len(specs)}
    assert begun == {at: started(aws, run, at) for at in range(45)}
    task = handler.assembled().tasks.get(TENANT, node_id(run.id, 45))
    assert task.attempt == 2


def test_fan_out_and_fan_in_of_two_hundred(aws: Cloud, clock, answered):
    names = [f"m{at}" for at in range(200)]
    run = submit(aws, [spec("first"), *(spec(name, "first") for name in names), spec("last", *names)])
    begin(aws, run)
    work_off(aws)
    assert set(states(aws, run)) == {"SUCCESS"}
    assert [said["outcome"] for _, said in answered] == ["done"]


@pytest.mark.parametrize("seed", range(3))
def test_a_random_dag_runs_each_node_once_and_never_before_its_upstreams(
    aws: Cloud, clock, answered, seed, monkeypatch
):
    specs = random_specs(seed, 120)
    ran: list[str] = []
    claim = TaskStore.claim

    def noted(self, tenant, task_id, *args, **kwargs):
        answer = claim(self, tenant, task_id, *args, **kwargs)
        if type(answer).__name__ == "Wrote":
            ran.append(answer.task.member.name)
        return answer

    monkeypatch.setattr(TaskStore, "claim", noted)
    run = submit(aws, specs)
    begin(aws, run)
    work_off(aws)
    assert sorted(ran) == sorted(one.name for one in specs)
    at = {name: position for position, name in enumerate(ran)}
    batch = 10  # the nodes of one batch run side by side: order is certain across batches only
    for one in specs:
        for upstream in one.depends_on:
            assert at[upstream] < at[one.name] + batch
    assert [said["outcome"] for _, said in answered] == ["done"]
