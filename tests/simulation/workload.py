"""What clients do in a seed's world. Adding a workload is adding a function here: it runs in a client of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.client import Client
from tests.simulation.fibers import SECOND
from tests.simulation.handlers import MOVED, POOLED, TYPE

if TYPE_CHECKING:
    from tests.simulation.world import World

Workload = Callable[[Client], None]
WORKLOADS: list[Workload] = []
MOST = 4
"""Workloads in one world."""


def workload(function: Workload) -> Workload:
    WORKLOADS.append(function)
    return function


def begin(world: World, only: str | None = None) -> None:
    choices = [found for found in WORKLOADS if only in (None, found.__name__)]
    for _ in range(1 + world.faults.random.randrange(MOST)):
        chosen = world.faults.choose(choices)
        start = world.faults.within(40 * SECOND)
        world.trace("workload", f"{chosen.__name__} from {start / SECOND:.1f} s on")
        world.hub.after(start, lambda chosen=chosen: world.client(lambda: chosen(Client(world))))


def some(client: Client, *choices: Any) -> Any:
    return client.world.faults.choose(choices)


def script(client: Client) -> dict[str, Any]:
    """A task that succeeds, fails, or something between."""
    outcomes = some(client, ["ok"], ["ok"], ["fail", "ok"], ["fail"], ["permanent"], ["retry:3", "ok"], ["large"])
    return {"outcomes": outcomes, "seconds": some(client, 0, 0, 0.05, 2)}


# -- single tasks


@workload
def burst(client: Client) -> None:
    """Several at once, so that batches are shared."""
    lane = some(client, 1, 5, 8)
    for _ in range(some(client, 1, 3, 7)):
        client.submit({"seconds": some(client, 0, 0, 1)}, priority=lane)


@workload
def delayed(client: Client) -> None:
    """By SQS, by Scheduler, and around the border between them."""
    for _ in range(2):
        client.submit_surely(script(client), delaySeconds=some(client, 1, 2.5, 40, 899, 901, 960, 1300, 86_400 * 3))


@workload
def retried(client: Client) -> None:
    retry = {
        "baseSeconds": some(client, 0, 1, 5, 500),
        "maxSeconds": 500,
        "strategy": some(client, "fixed", "exponential"),
    }
    client.submit(
        {"outcomes": some(client, ["fail", "ok"], ["fail", "retry:2", "ok"], ["retry:1000", "ok"])},
        retry=retry,
        maxRetries=some(client, 1, 2, 4),
    )
    client.submit(script(client), maxRetries=some(client, 0, 1, 3))


@workload
def failing(client: Client) -> None:
    client.submit({"outcomes": ["fail"]}, maxRetries=some(client, 0, 2), retry={"baseSeconds": 1, "strategy": "fixed"})
    client.submit({"outcomes": ["permanent"]})
    client.submit({"outcomes": ["fail", "permanent"]}, retry={"baseSeconds": 1})


@workload
def slow(client: Client) -> None:
    """Longer than its time-out: the process has to be ended to stop it."""
    client.submit(
        {"outcomes": some(client, ["hang"], ["hang", "ok"])}, timeoutSeconds=some(client, 3, 20), maxRetries=1
    )
    client.submit({"seconds": some(client, 15, 1)})


@workload
def held_off(client: Client) -> None:
    """Its event loop is held by a neighbour, often with no tries to spare."""
    outcomes = some(
        client, ["held", "ok"], ["stuck", "ok"], ["stuck", "held", "stuck", "fail", "ok"], ["fail", "stuck", "fail"]
    )
    client.submit({"outcomes": outcomes}, maxRetries=some(client, 0, 0, 1), retry={"baseSeconds": 1})
    for _ in range(some(client, 0, 1, 2)):
        client.submit({"outcomes": some(client, ["ok"], ["stuck", "ok"]), "seconds": some(client, 0, 1)}, maxRetries=0)


@workload
def poison(client: Client) -> None:
    """Kills its process, with others beside it."""
    client.submit({"outcomes": some(client, ["poison"], ["poison", "ok"])}, maxRetries=some(client, 0, 1, 2))
    for _ in range(some(client, 0, 2)):
        client.submit({"seconds": some(client, 0, 1)})


@workload
def effects(client: Client) -> None:
    client.submit(
        {
            "effects": ["a", "b"],
            "outcomes": some(client, ["ok"], ["fail", "ok"], ["poison", "ok"]),
            "undo": some(client, 0, 1),
            "seconds": some(client, 0, 0.5),
            "stop": some(client, True, False),
        },
        retry={"baseSeconds": 1},
    )
    client.submit({"outcomes": some(client, ["mail"], ["fail", "mail"])})


@workload
def progress(client: Client) -> None:
    client.submit({"progress": 4, "seconds": some(client, 0, 4), "outcomes": some(client, ["ok"], ["fail", "ok"])})


@workload
def documents(client: Client) -> None:
    """A payload beside the record, and one in S3."""
    client.submit({"pad": "x" * some(client, 500, 1200), **script(client)})


# -- pools, children


@workload
def pooled(client: Client) -> None:
    """Types of two pools, some waiting for each other, and one that a deployment moves between them."""
    for _ in range(some(client, 1, 3)):
        kind = some(client, POOLED, MOVED, MOVED)
        delay = some(client, 0, 0, 1, 30, 120, 1300)
        first = client.submit_surely(script(client), type=kind, delaySeconds=delay, priority=some(client, 1, 5, 8))
        if first is not None and some(client, True, False):
            client.submit_surely(script(client), type=some(client, TYPE, POOLED), dependencies=[first])


@workload
def parents(client: Client) -> None:
    """Handlers submit, and some attempts die or fail after it."""
    payload = {
        "children": some(client, ["a"], ["a", "b", "c"]),
        "child_type": some(client, TYPE, POOLED, MOVED),
        "outcomes": some(client, ["ok"], ["fail", "ok"], ["fail", "fail", "ok"], ["poison", "ok"]),
        "seconds": some(client, 0, 1),
    }
    client.submit_surely(payload, type=some(client, TYPE, POOLED), maxRetries=3)


# -- control


@workload
def cancelled(client: Client) -> None:
    task = client.submit_surely(script(client), delaySeconds=some(client, 0, 0, 2, 30, 1000))
    if task is None:
        return
    client.sleep(some(client, 0, 0.05, 1, 3, 29.9))
    for _ in range(2):
        if client.cancel(task) == 409:
            break


@workload
def moved(client: Client) -> None:
    task = client.submit_surely(script(client), delaySeconds=some(client, 0, 2, 20, 1000, 90_000))
    if task is None:
        return
    for _ in range(some(client, 1, 2, 3)):
        client.sleep(some(client, 0, 0.5, 5, 19.9))
        if client.change(task, run_in=some(client, 0, 1, 10, 300, 1500, 100_000)) == 409:
            return
    if some(client, True, False):
        client.cancel(task)


@workload
def changed(client: Client) -> None:
    task = client.submit_surely({"version": 0, **script(client)}, delaySeconds=some(client, 0, 1, 5, 950))
    if task is None:
        return
    for version in range(1, 1 + some(client, 1, 2, 3)):
        client.sleep(some(client, 0, 0.3, 2, 5))
        fields = some(client, ["payload"], ["payload", "priority"], ["priority"], ["payload", "when"])
        change: dict[str, Any] = {}
        if "payload" in fields:
            change["payload"] = {"version": version, "pad": "y" * some(client, 0, 500), **script(client)}
        if "priority" in fields:
            change["priority"] = some(client, 1, 5, 8)
        if client.change(task, run_in=some(client, 0, 3, 1000) if "when" in fields else None, **change) == 409:
            return


@workload
def resubmitted(client: Client) -> None:
    """One key from several clients at once, some of them with another body."""
    key = client.world.identity("key")
    payload, delay = script(client), some(client, 0, 0, 5, 1000)

    def again(other: bool, pause: float) -> Callable[[], None]:
        def call() -> None:
            mine = Client(client.world)
            mine.sleep(pause)
            for _ in range(2):
                mine.submit(payload | ({"other": 1} if other else {}), key=key, delaySeconds=delay)

        return call

    for _ in range(some(client, 2, 3)):
        client.world.client(again(some(client, False, False, True), some(client, 0, 0, 0.01, 3)))


@workload
def batch(client: Client) -> None:
    """Many by one request, some of them cancelled by another."""
    tasks = client.submit_batch([script(client) for _ in range(some(client, 2, 12))], delaySeconds=some(client, 0, 2))
    if tasks and some(client, True, False):
        client.sleep(some(client, 0, 0.5, 2))
        client.cancel_many(tasks[::2])


@workload
def redriven(client: Client) -> None:
    """Dead letters are run again, one by one or all, by two people at once; some have dependents."""
    outcomes = some(client, ["fail", "fail", "ok"], ["permanent", "ok"], ["poison", "ok"], ["permanent"])
    task = client.submit_surely({"outcomes": outcomes, "effects": ["a"]}, maxRetries=some(client, 0, 1))
    if task is None:
        return
    if some(client, True, False):
        node(client, task)
    client.settled(task, every=some(client, 0.5, 3))

    def again() -> None:
        mine = Client(client.world)
        mine.sleep(some(client, 0, 0, 0.02, 1))
        if some(client, True, True, False):
            mine.request("POST", f"/tasks/{task}/retry", some(client, None, {"attempts": 1}))
        else:
            mine.request("POST", "/dead-letters/redrive", {"ratePerSecond": some(client, 0.5, 100)})

    for _ in range(some(client, 1, 2)):
        client.world.client(again)


NOTIFY = [{"webhook": "https://hooks.example.com/a", "on": "failure"}, {"email": "a@example.com"}]


@workload
def notified(client: Client) -> None:
    """Somebody waits for the end, whichever it is."""
    task = client.submit_surely(script(client), notify=NOTIFY, maxRetries=1, delaySeconds=some(client, 0, 0, 2))
    if task is None:
        return
    dependent = client.submit_surely({}, notify=NOTIFY[1:], dependencies=[task])
    client.sleep(some(client, 0, 1, 3))
    client.cancel(some(client, task, dependent or task))


@workload
def notified_again(client: Client) -> None:
    """A redriven task ends again and notifies again."""
    tasks = [client.submit_surely({"outcomes": ["permanent", "fail", "ok"]}, notify=NOTIFY) for _ in range(3)]

    def again(task: str) -> None:
        mine = Client(client.world)
        mine.settled(task, every=some(client, 0.05, 0.5))
        mine.request("POST", f"/tasks/{task}/retry")

    for task in filter(None, tasks):
        client.world.client(lambda task=task: again(task))


# -- dependencies


def upstream_script(client: Client) -> dict[str, Any]:
    return {
        "outcomes": some(client, ["ok"], ["ok"], ["ok"], ["fail", "ok"], ["permanent"], ["poison", "ok"]),
        "seconds": some(client, 0, 0, 1),
    }


def node(client: Client, *upstreams: str, **fields: Any) -> str | None:
    task = client.submit_surely(
        upstream_script(client),
        dependencies=list(upstreams),
        maxRetries=2,
        retry={"baseSeconds": 1, "strategy": "fixed"},
        **fields,
    )
    client.sleep(some(client, 0, 0, 0.2, 2))
    return task


@workload
def chain(client: Client) -> None:
    task = node(client, delaySeconds=some(client, 0, 0, 5))
    for _ in range(some(client, 2, 3)):
        if task is None:
            return
        task = node(client, task, delaySeconds=some(client, 0, 0, 3, 1000))


@workload
def diamond(client: Client) -> None:
    top = node(client, delaySeconds=some(client, 0, 2))
    sides = [node(client, top) for _ in range(2)] if top else []
    if len(sides) == 2 and all(sides):
        bottom = node(client, *filter(None, sides))
        if bottom and some(client, True, False):
            node(client, bottom)


@workload
def fan_out(client: Client) -> None:
    top = node(client, delaySeconds=some(client, 0, 3))
    if top:
        for _ in range(some(client, 2, 4)):
            node(client, top)


@workload
def fan_in(client: Client) -> None:
    tops = [found for _ in range(some(client, 2, 4)) if (found := node(client, delaySeconds=some(client, 0, 0, 3)))]
    if tops:
        node(client, *tops)


@workload
def cancelled_upstream(client: Client) -> None:
    top = node(client, delaySeconds=some(client, 1, 10))
    middle = node(client, top) if top else None
    last = node(client, middle) if middle else None
    if top and middle and last:
        client.sleep(some(client, 0, 0, 1, 8))
        client.cancel(some(client, top, middle))


@workload
def changed_while_blocked(client: Client) -> None:
    """The dependent is moved, changed or cancelled while its upstream decides what becomes of it."""
    top = node(client, delaySeconds=some(client, 0, 0.5, 3))
    task = client.submit_surely({"version": 0}, dependencies=[top], delaySeconds=some(client, 0, 4)) if top else None
    if task is None:
        return
    node(client, task)
    client.sleep(some(client, 0, 0, 0.5, 3))
    for version in range(1, 1 + some(client, 1, 2)):
        change = some(
            client,
            {"run_in": some(client, 0, 2, 1000)},
            {"payload": {"version": version}},
            {"priority": 8},
            {"priority": 1, "run_in": 5},
        )
        if client.change(task, **change) == 409:
            break
        client.sleep(some(client, 0, 0.5))
    if some(client, True, False):
        client.cancel(task)


@workload
def late_dependent(client: Client) -> None:
    """Its upstream has settled, or is about to."""
    top = node(client)
    if top:
        client.settled(top, every=some(client, 0.2, 5))
        node(client, top)


@workload
def moved_at_release(client: Client) -> None:
    """Dependents are put off again and again in the very second in which their upstream releases them."""
    top = client.submit_surely({"outcomes": ["ok"]}, delaySeconds=300)
    tasks = [client.submit_surely({}, dependencies=[top]) for _ in range(4)] if top else []
    if top:
        client.change(top, run_in=some(client, 0, 0.5, 1))

    def mover(task: str) -> None:
        mine = Client(client.world)
        for at in range(24):
            mine.sleep(mine.draw.random() * 0.05)
            if mine.change(task, run_in=20 * (at + 1)) == 409:
                return

    for task in filter(None, tasks):
        client.world.client(lambda task=task: mover(task))
