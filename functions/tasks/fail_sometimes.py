"""FAIL_SOMETIMES: fails with a given probability, to see retries at work."""

from __future__ import annotations

import random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from taskyard.tasks import Context, task


class Chance(BaseModel):
    """`seed` makes attempt n of every task with it end the same way: probability 0.5, seed 0 fails, then succeeds."""

    model_config = ConfigDict(extra="forbid")

    probability: float = Field(ge=0, le=1)
    seed: int | None = None


class UnluckyError(Exception):
    pass


@task("FAIL_SOMETIMES", "fail-sometimes")
def fail_sometimes(ctx: Context, payload: Chance) -> dict[str, Any]:
    seed = None if payload.seed is None else f"{payload.seed}#{ctx.attempt}"
    drawn = random.Random(seed).random()
    ctx.log(f"drew {drawn:.3f}, fails below {payload.probability}")
    if drawn < payload.probability:
        raise UnluckyError(f"drew {drawn:.3f} on attempt {ctx.attempt}")
    return {"drawn": round(drawn, 3), "attempt": ctx.attempt}
