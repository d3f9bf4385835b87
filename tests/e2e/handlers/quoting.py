"""QUOTING: quotes what is sensitive in its payload wherever a handler can. Copied into the functions' code for
test_logs.py, never shipped."""

from __future__ import annotations

import logging
import os
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from taskyard.tasks import Context, Permanent, Retry, task


class Quoting(BaseModel):
    """`crash`: the process ends on the first attempt. `result`: is returned, and recorded as an effect."""

    token: SecretStr
    text: str = ""
    result: str = ""
    ends: Literal["well", "in a retry", "in a chain of errors", "for good", "crash"] = "well"


@task("QUOTING")
def quote(ctx: Context, payload: Quoting) -> dict[str, Any]:
    token = payload.token.get_secret_value()
    ctx.log(f"quoting {token}", token=token)
    ctx.progress(0.5, f"quoting {token}")
    logging.getLogger("some.library").warning("token %s", token)
    effect = ctx.once("effect", lambda: payload.result)
    match payload.ends:
        case "in a retry" if ctx.attempt == 1:
            raise Retry(after=1)
        case "in a chain of errors":
            try:
                raise ValueError(f"refused {token}")
            except ValueError as error:
                raise RuntimeError(f"no luck with {token}") from error
        case "for good":
            raise Permanent(f"refused {token}")
        case "crash" if ctx.attempt == 1:
            os._exit(1)
    return {"effect": effect, "result": payload.result}
