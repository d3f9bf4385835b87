"""DELAYED_MESSAGE: logs a message. What delays it is its `runAt` or `delaySeconds`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from taskyard.tasks import Context, task


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: str = Field(min_length=1, max_length=10_000)


@task("DELAYED_MESSAGE", "delayed-message")
def delayed_message(ctx: Context, payload: Message) -> dict[str, Any]:
    ctx.log(payload.message)
    return {"message": payload.message[:100]}
