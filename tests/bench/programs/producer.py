"""Submits the tasks that it reads, one after another from one thread: the same loop for every contender.

Reads orders from standard input, JSON, one a line: {"ids": [...], "what", "seconds", "filler", "delay", "gap", "url"};
answers each with {"sent": [[id, when the call began, epoch seconds], ...]}, those that were accepted. `gap`: seconds
between two submits; `group`: tasks of one, when not as many as the contender is given at once; `poison`: the one that
ends its process. {"ids", ..., "join": id} submits all of them together, and one more that runs after them. {"cancel":
[ids]} cancels earlier ones. At the end of its input it ends in good order.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator

Submit = Callable[[list[dict], float], None]


class Refused(Exception):
    """The caller was told that these tasks were not accepted."""


def serve(
    submit: Submit,
    *,
    group: int = 1,
    before: Callable[[], None] = lambda: None,
    cancel: Callable[[list[str]], None] | None = None,
    join: Callable[[list[dict], dict], None] | None = None,
) -> None:
    """`submit(tasks, delay)` takes `group` tasks at a time, `join(tasks, last)` all of them."""
    before()
    answer(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "cancel" in order:
            cancel(order["cancel"])
            answer(sent=[])
        elif "join" in order:
            *tasks, last = tasks_of(order, [*order["ids"], order["join"]])
            now = time.time()
            join(tasks, last)
            answer(sent=[[task["task"], now] for task in (*tasks, last)])
        else:
            answer(sent=list(sent(submit, order, order.get("group", group))))


def answer(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def tasks_of(order: dict, ids: list[str]) -> list[dict]:
    fields = {name: order[name] for name in ("what", "seconds", "filler", "url", "retries") if order.get(name)}
    poison = order.get("poison")
    return [{"task": task, "what": "noop", **fields, **({"what": "poison"} if task == poison else {})} for task in ids]


def sent(submit: Submit, order: dict, group: int) -> Iterator[tuple[str, float]]:
    ids = order["ids"]
    for at in range(0, len(ids), group):
        names = ids[at : at + group]
        tasks = tasks_of(order, names)
        now = time.time()
        try:
            submit(tasks, order.get("delay", 0))
            yield from ((name, now) for name in names)
        except Refused as problem:
            print(problem, file=sys.stderr, flush=True)
        if order.get("gap"):
            time.sleep(order["gap"])
