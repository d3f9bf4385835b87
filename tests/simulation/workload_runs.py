"""What clients do with workflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.client import Client
from tests.simulation.handlers import TYPE
from tests.simulation.workload import NOTIFY, node, some, workload

Nodes = list[dict[str, Any]]
FAILS = (["permanent"], ["fail"], ["poison"], ["hang"])


def script(client: Client) -> dict[str, Any]:
    outcomes = some(client, *[["ok"]] * 9, ["fail", "ok"], ["large"], ["permanent"], ["poison", "ok"])
    return {"outcomes": outcomes, "seconds": some(client, 0, 0, 0, 1), "effects": ["a"] * some(client, 0, 0, 1)}


def step(client: Client, name: str, *depends_on: str, **payload: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": TYPE,
        "payload": payload or script(client),
        "dependsOn": list(depends_on),
        "maxRetries": some(client, 0, 2),
        "retry": {"baseSeconds": 1, "strategy": "fixed"},
    }


def diamond(client: Client, **payload: Any) -> Nodes:
    return [
        step(client, "a", **payload),
        step(client, "b", "a", **payload),
        step(client, "c", "a", **payload),
        step(client, "d", "b", "c", **payload),
    ]


def fan(client: Client, **payload: Any) -> Nodes:
    """Out and in, through joins: a record waits for three at most (seams.py)."""
    names = [f"m{at}" for at in range(some(client, 3, 4, 6))]
    middle = [step(client, name, "a", **payload) for name in names]
    return [step(client, "a", **payload), *middle, step(client, "z", *names, **payload)]


def line(client: Client) -> Nodes:
    length = some(client, 1, 2, 4)
    return [step(client, f"n{at}", *([f"n{at - 1}"] if at else [])) for at in range(length)]


def tangle(client: Client) -> Nodes:
    """A random DAG, its nodes in any order."""
    size = some(client, 3, 5, 8)
    nodes = []
    for at in range(size):
        count = min(at, client.draw.randrange(5))
        nodes.append(step(client, f"n{at}", *(f"n{up}" for up in client.draw.sample(range(at), count))))
    client.draw.shuffle(nodes)
    return nodes


SHAPES: tuple[Callable[[Client], Nodes], ...] = (diamond, fan, line, tangle)


def later(client: Client, call: Callable[[Client], Any]) -> None:
    """By somebody else, side by side."""
    mine = Client(client.world)
    client.world.client(lambda: call(mine))


@workload
def dag(client: Client) -> None:
    client.submit_run_surely(some(client, *SHAPES)(client), notify=some(client, [], NOTIFY))


@workload
def dag_that_succeeds(client: Client) -> None:
    """With nothing to fail it but the world, at the fastest: all that is released is released side by side."""
    client.submit_run_surely(some(client, diamond, fan)(client, outcomes=["ok"]))


@workload
def dag_with_delays(client: Client) -> None:
    nodes = diamond(client)
    for each in nodes:
        each["delaySeconds"] = some(client, 0, 0, 3, 1000)
        each["priority"] = some(client, 1, 5, 8)
    client.submit_run_surely(nodes)


@workload
def dag_retried(client: Client) -> None:
    """A node fails; two people put the run into its next round, until it is well."""
    nodes = some(client, diamond, fan, tangle)(client)
    some(client, *nodes)["payload"] = {"outcomes": [*some(client, *FAILS), *some(client, [], ["ok"])]}
    run = client.submit_run_surely(nodes, notify=some(client, [], NOTIFY))
    if run is None:
        return

    def again(mine: Client) -> None:
        for _ in range(some(mine, 1, 2)):
            if mine.run_ended(run, every=some(mine, 0.2, 1, 5)) in (None, "SUCCESS"):
                return
            mine.sleep(some(mine, 0, 0, 1, 20))
            mine.retry_run(run)

    for _ in range(some(client, 1, 1, 2)):
        later(client, again)


@workload
def dag_cancelled(client: Client) -> None:
    """In its middle, sometimes twice, sometimes tried again after."""
    run = client.submit_run_surely(some(client, *SHAPES)(client), notify=some(client, [], NOTIFY))
    if run is None:
        return
    for _ in range(some(client, 1, 1, 2)):
        client.sleep(some(client, 0, 0.1, 0.5, 2, 10))
        client.cancel_run(run)
    if some(client, True, False) and client.run_ended(run, every=1):
        client.retry_run(run)


@workload
def dag_that_fails_fast(client: Client) -> None:
    nodes = some(client, fan, tangle)(client)
    some(client, *nodes)["payload"] = {"outcomes": some(client, *FAILS)}
    client.submit_run_surely(nodes, onFailure="cancel", notify=some(client, [], NOTIFY))


@workload
def dag_past_its_deadline(client: Client) -> None:
    nodes = some(client, diamond, line, tangle)(client)
    some(client, *nodes)["delaySeconds"] = 600
    some(client, *nodes)["payload"] = {"seconds": 15}
    run = client.submit_run_surely(nodes, deadlineSeconds=some(client, 1, 5, 20), notify=some(client, [], NOTIFY))
    if run and some(client, True, False) and client.run_ended(run, every=2):
        client.retry_run(run)


@workload
def dag_resubmitted(client: Client) -> None:
    """One key, several clients, also when the execution of the first one is about to give up."""
    key, nodes = client.world.identity("key"), line(client)

    def again(mine: Client) -> None:
        for _ in range(2):
            mine.submit_run(nodes, key=key)
            mine.sleep(some(mine, 0, 1, 126.9, 127.2))

    for _ in range(some(client, 1, 2, 3)):
        later(client, again)


@workload
def dag_meddled_with(client: Client) -> None:
    """A node is moved, changed or cancelled; a task outside waits for another."""
    nodes = diamond(client)
    nodes[0]["delaySeconds"] = some(client, 0, 1, 5)
    run = client.submit_run_surely(nodes)
    if run is None:
        return
    client.sleep(some(client, 0.5, 2, 4))
    if some(client, True, False):
        node(client, f"{run}-{some(client, 1, 3)}")
    task = f"{run}-{some(client, 0, 1, 2, 3)}"
    for _ in range(2):
        change = some(client, {"run_in": some(client, 0, 3, 1000)}, {"payload": {"version": 1}}, {"priority": 8})
        if client.change(task, **change) == 409:
            return
        client.sleep(some(client, 0, 0.5))
    if some(client, True, False):
        client.cancel(task)
