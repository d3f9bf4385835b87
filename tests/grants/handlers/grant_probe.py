"""GRANT_PROBE: does on request what a task type may do and no shipped one does. Copied into the functions' code for the
grants' scenarios, never shipped."""

from __future__ import annotations

from pydantic import BaseModel
from taskyard.tasks import Context, Retry, task


class Probe(BaseModel):
    """`result_bytes`: the size of the result. `retry_after`: seconds after which a failed first attempt is repeated.
    `drop_effect`: the effect fails and may be tried again. `secret`: the name of one to read."""

    result_bytes: int = 0
    retry_after: int | None = None
    drop_effect: bool = False
    secret: str | None = None
    filler: str = ""


@task("GRANT_PROBE")
def grant_probe(ctx: Context, payload: Probe) -> str:
    if payload.drop_effect and ctx.attempt == 1:
        ctx.once("effect", _fail)
    if payload.retry_after is not None and ctx.attempt == 1:
        raise Retry(after=payload.retry_after)
    if payload.secret is not None:
        ctx.secret(payload.secret)
    return "x" * payload.result_bytes


def _fail() -> None:
    raise Retry(after=1)
