"""Workflows through the local system: HTTP, the template's state machine, workers in processes of their own."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from taskyard import Conflict, Taskyard, WebhookTarget, Workflow
from taskyard.files import workflow_file

from local.aws.calls import AwsCall
from local.http_server import Response
from local.step_functions.state_machines import Execution
from local.system import LocalSystem
from tests.e2e.callers import token
from tests.e2e.test_notifications import check_signature
from tests.integration.receiver import receiver

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]

EXAMPLE = Path(__file__).parents[2] / "events" / "workflows" / "orders.yaml"
BAD = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}, "maxRetries": 0}


@pytest.fixture
def yard(system: LocalSystem) -> Iterator[Taskyard]:
    with Taskyard(system.url, token(system)) as yard:
        yield yard


def message(*depends_on: str, **fields: Any) -> dict[str, Any]:
    return {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "dependsOn": list(depends_on), **fields}


def states(yard: Taskyard, run: Workflow) -> dict[str, str]:
    return {node.name: node.state for node in yard.workflows.nodes(run.id)}


def execution(system: LocalSystem, run: Workflow, round_: int = 1) -> Execution:
    def ended() -> Execution | None:
        (found,) = [one for one in system.executions() if one.name == f"{run.id}-{round_}"]
        return found if found.status != "RUNNING" else None

    return until(ended)


def until(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it does not come to pass"
        time.sleep(0.05)
    return found


def test_the_example_runs_and_is_drawn(yard: Taskyard, system: LocalSystem) -> None:
    document = workflow_file.read(str(EXAMPLE))
    run = yard.workflows.submit(document["nodes"], name=document["name"])
    done = yard.workflows.wait(run.id, timeout=60)
    assert (done.state, done.counts) == ("SUCCESS", {"SUCCESS": 10})
    nodes = {node.name: node for node in yard.workflows.nodes(run.id)}
    assert nodes["charge"].attempt == 3
    starts = {name: node.started_at for name, node in nodes.items()}
    ends = {name: node.ended_at for name, node in nodes.items()}
    graph = workflow_file.dependencies(document)
    assert all(ends[upstream] <= starts[name] for name, waits in graph.items() for upstream in waits)
    assert yard.workflows.graph(run.id).count(":::SUCCESS") == 10
    assert yard.workflows.graph(run.id, "svg").startswith("<svg")
    inputs = yard.get(nodes["report"].id)
    assert len(inputs.dependencies) == 5


def test_transitions_do_not_grow_with_the_dag(yard: Taskyard, system: LocalSystem) -> None:
    diamond = {"a": message(), "b": message("a"), "c": message("a"), "d": message("b", "c")}
    chain = {f"n{at}": message(*([f"n{at - 1}"] if at else [])) for at in range(50)}
    wide = {"a": message(), **{f"m{at}": message("a") for at in range(60)}}
    wide["z"] = message(*(name for name in wide if name != "a"))
    runs = [yard.workflows.submit(nodes) for nodes in ({"one": message()}, diamond, chain, wide)]
    for run in runs:
        assert yard.workflows.wait(run.id, timeout=90).succeeded
    ended = [execution(system, run) for run in runs]
    assert {one.status for one in ended} == {"SUCCEEDED"}
    assert [one.entered for one in ended] == [["Start", "Run", "Finish"]] * 4
    # One more where the execution was quicker than the record: the start step is tried again.
    assert max(one.transitions for one in ended) <= 5


def test_a_failed_node_skips_its_descendants_and_a_retry_runs_only_what_did_not_succeed(
    yard: Taskyard, system: LocalSystem
) -> None:
    """Each round's end is told once, signed."""
    with receiver() as hooks:
        fail_and_retry(yard, system, hooks.url)
        assert system.settle()
        assert [json.loads(got.body)["type"] for got in hooks.got] == ["workflow.failed", "workflow.succeeded"]
    for got in hooks.got:
        check_signature(got)


def fail_and_retry(yard: Taskyard, system: LocalSystem, hook: str) -> None:
    # Seed 3 at 0.5 fails its first two attempts, and no other.
    twice = {"type": "FAIL_SOMETIMES", "payload": {"probability": 0.5, "seed": 3}, "maxRetries": 1,
             "retry": {"strategy": "fixed", "baseSeconds": 0}}  # fmt: skip
    nodes = {"a": message(), "bad": {**twice, "dependsOn": ["a"]}, "behind": message("bad"), "free": message("a")}
    run = yard.workflows.submit(nodes, notify=[WebhookTarget(hook)])
    failed = yard.workflows.wait(run.id, timeout=60)
    assert (failed.state, failed.counts) == ("FAILED", {"DEAD": 1, "SKIPPED": 1, "SUCCESS": 2})
    assert states(yard, run) == {"a": "SUCCESS", "bad": "DEAD", "behind": "SKIPPED", "free": "SUCCESS"}
    with pytest.raises(Conflict):
        yard.workflows.cancel(run.id)
    before = {node.name: node.started_at for node in yard.workflows.nodes(run.id)}
    assert yard.workflows.retry(run.id).round == 2
    done = yard.workflows.wait(run.id, timeout=60)
    assert (done.state, done.counts) == ("SUCCESS", {"SUCCESS": 4})
    after = {node.name: node for node in yard.workflows.nodes(run.id)}
    assert (after["bad"].attempt, after["behind"].attempt) == (3, 1)
    assert (after["a"].started_at, after["free"].started_at) == (before["a"], before["free"])
    until(lambda: {note.state for note in yard.workflows.get(run.id).notifications} == {"DELIVERED"})
    assert len(yard.workflows.get(run.id).notifications) == 2
    with pytest.raises(Conflict):
        yard.workflows.retry(run.id)
    assert execution(system, run, 2).entered == ["Start", "Run", "Finish"]


def test_on_failure_cancel(yard: Taskyard) -> None:
    nodes = {"bad": BAD, "later": message(delaySeconds=3600), "behind": message("later")}
    run = yard.workflows.submit(nodes, on_failure="cancel")
    done = yard.workflows.wait(run.id, timeout=60)
    assert (done.state, states(yard, run)) == ("FAILED", {"bad": "DEAD", "later": "CANCELLED", "behind": "CANCELLED"})


def test_a_cancelled_workflow_ends_as_such(yard: Taskyard) -> None:
    run = yard.workflows.submit({"later": message(delaySeconds=3600), "behind": message("later")})
    yard.workflows.cancel(run.id)
    done = yard.workflows.wait(run.id, timeout=60)
    assert (done.state, done.counts) == ("CANCELLED", {"CANCELLED": 2})
    yard.workflows.cancel(run.id)


def test_the_deadline_passes_on_the_virtual_clock(yard: Taskyard, system: LocalSystem) -> None:
    nodes = {"now": message(), "later": message(delaySeconds=3000), "never": message("now", delaySeconds=86_400)}
    run = yard.workflows.submit(nodes, deadline=7200)
    until(lambda: states(yard, run)["now"] == "SUCCESS")
    system.clock.advance(3100)
    until(lambda: states(yard, run)["later"] == "SUCCESS")
    assert yard.workflows.get(run.id).state == "RUNNING"
    system.clock.advance(7200)
    done = yard.workflows.wait(run.id, timeout=60)
    assert (done.state, done.counts) == ("TIMED_OUT", {"CANCELLED": 1, "SUCCESS": 2})
    assert execution(system, run).entered == ["Start", "Run", "DeadlinePassed", "Finish"]


def kill(system: LocalSystem, label: str) -> None:
    """kill -9 of every process of a function that runs an invocation, by whoever forked it: what the system calls a
    process's id is a number of its own, not the one that the kernel knows."""
    function = system.functions.by_label(label)
    for process in function._processes:
        if process.running:
            process.fork_server.kill(process.id)


@pytest.fixture
def deaths(system: LocalSystem) -> Iterator[Callable[[dict[str, tuple[int, ...]]], Counter[str]]]:
    """`deaths({"worker-normal": (150,)})`: all of its processes die while one makes its 150th call of AWS from now.
    Returns how many calls there were, which goes on counting."""

    def plan(at: dict[str, tuple[int, ...]]) -> Counter[str]:
        calls: Counter[str] = Counter()

        def tap(caller: str, call: AwsCall, answer: Callable[[], Response]) -> Response:
            calls[caller] += 1
            if calls[caller] in at.get(caller, ()):
                kill(system, caller)
            return answer()

        system.intercept(tap)
        return calls

    yield plan
    system.intercept(lambda caller, call, answer: answer())


def test_workers_and_steps_that_are_killed_in_the_middle_cost_time_and_nothing_else(
    yard: Taskyard, system: LocalSystem, deaths: Callable[[dict[str, tuple[int, ...]]], Counter[str]]
) -> None:
    """The first step dies twice while it writes the nodes, the workers three times while these run."""
    at = {"workflow": (10, 60), "worker-normal": (150, 500, 900)}
    calls = deaths(at)
    nodes = {f"n{at}": message(*(f"n{at - back}" for back in (20, 21, 22) if at >= back)) for at in range(200)}
    run = yard.workflows.submit(nodes)
    end = time.monotonic() + 150
    while not (found := yard.workflows.get(run.id, limit=1)).ended:
        assert time.monotonic() < end, found.counts
        # What the dead held is free again when their leases end; the machine waits before it tries a step again.
        system.clock.advance(5)
    assert all(calls[function] > max(when) for function, when in at.items())
    assert execution(system, run).transitions >= 5
    assert (found.state, found.counts) == ("SUCCESS", {"SUCCESS": 200})
    for node in yard.workflows.nodes(run.id):
        outcomes = [attempt.outcome for attempt in yard.get(node.id).attempts] if node.attempt > 1 else ["SUCCESS"]
        assert outcomes[-1] == "SUCCESS"
        assert set(outcomes[:-1]) <= {"LOST"}


def drawn(size: int) -> dict[str, dict[str, Any]]:
    """Each node waits for up to four of the hundred before it."""
    dice = random.Random(1)
    near = {at: range(max(0, at - 100), at) for at in range(size)}
    return {
        f"n{at}": message(*{f"n{dice.choice(near[at])}" for _ in range(min(at, dice.randrange(5)))})
        for at in range(size)
    }


@pytest.mark.skipif("TASKYARD_LARGE" not in os.environ, reason="minutes: set TASKYARD_LARGE")
@pytest.mark.parametrize("shape", ["fan of 1,000", "random 2,000"])
def test_thousands_of_nodes_run_in_order_once_and_by_the_same_transitions(
    yard: Taskyard, system: LocalSystem, shape: str
) -> None:
    nodes = {"a": message(), **{f"m{at}": message("a") for at in range(1000)}}
    nodes["z"] = message(*(name for name in nodes if name != "a"))
    nodes = nodes if shape.startswith("fan") else drawn(2000)
    run = yard.workflows.submit(nodes)
    assert yard.workflows.wait(run.id, timeout=900).counts == {"SUCCESS": len(nodes)}
    found = {node.name: node for node in yard.workflows.nodes(run.id)}
    assert {node.attempt for node in found.values()} == {1}
    for name, node in nodes.items():
        assert all(found[upstream].ended_at <= found[name].started_at for upstream in node["dependsOn"]), name
    assert execution(system, run).entered == ["Start", "Run", "Finish"]
