"""What every contender's task does, the same in each: says that it began, with one write to a shared file.

A line a note: `<kind> <task> <epoch seconds> <pid>`. Standard library only: it is imported in the peers' environment,
and copied beside the handler that Taskyard runs.
"""

import os
import time
import urllib.request


def note(path: str, kind: str, task: str) -> None:
    """O_APPEND: lines of many processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{kind} {task} {time.time():.6f} {os.getpid()}\n".encode())
    finally:
        os.close(file)


def work(path: str, task: str, what: str, seconds: float, url: str = "") -> None:
    """`what`: noop; sleep (for `seconds`); poison (the process ends, every time); call (`url`, raises unless 2xx)."""
    note(path, "start", task)
    if what == "poison":
        os._exit(1)
    if what == "sleep":
        time.sleep(seconds)
    if what == "call":
        urllib.request.urlopen(url, timeout=5).close()
    if what != "noop":
        note(path, "end", task)
