"""Submits what it is told, one task after another from one thread: the same loop for every contender.

Reads orders from standard input, JSON, one a line: {"ids": [...], "what", "seconds", "filler", "delay", "gap", "url"};
answers each with {"sent": [[id, when the call began, epoch seconds], ...], "refused": how many were not accepted}.
`gap`: seconds between two submits.
"""

import json
import sys
import time
from collections.abc import Callable

Submit = Callable[[list[dict], float], None]


class Refused(Exception):
    """The caller was told that these tasks were not accepted."""


def serve(submit: Submit, *, group: int = 1, before: Callable[[], None] = lambda: None) -> None:
    """`submit(tasks, delay)` takes `group` tasks at a time."""
    before()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        sent, refused = [], 0
        fields = {name: order[name] for name in ("what", "seconds", "filler", "url", "retries") if order.get(name)}
        ids = order["ids"]
        for at in range(0, len(ids), group):
            tasks = [{"task": task, "what": "noop", **fields} for task in ids[at : at + group]]
            now = time.time()
            ids_now = [task["task"] for task in tasks]
            try:
                submit(tasks, order.get("delay", 0))
                sent += [[task, now] for task in ids_now]
            except Refused as problem:
                print(problem, file=sys.stderr, flush=True)
                refused += len(ids_now)
            if order.get("gap"):
                time.sleep(order["gap"])
        print(json.dumps({"sent": sent, "refused": refused}), flush=True)
