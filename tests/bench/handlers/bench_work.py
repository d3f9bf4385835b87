"""BENCH_WORK: the same work that the peers' tasks do. Copied into the functions' code for the bench, never shipped."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from taskyard.tasks import Context, RetryPolicy, task

PATH = Path(__file__).with_suffix(".notes").read_text()


class Work(BaseModel):
    task: str
    what: str = "noop"
    seconds: float = 0.0
    filler: str = ""
    url: str = ""


@task("BENCH_WORK", retry=RetryPolicy(max_attempts=4, base_seconds=1, max_seconds=600, jitter=0))
def bench_work(ctx: Context, payload: Work) -> None:
    from functions.notes import work

    if payload.what == "once":
        ctx.once("work", lambda: work(PATH, payload.task, "sleep", payload.seconds))
    else:
        work(PATH, payload.task, payload.what, payload.seconds, payload.url)
