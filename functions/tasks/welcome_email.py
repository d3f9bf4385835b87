"""welcome-email: greets somebody by name, in one mail, at most once per task."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from functions.core.context import Context
from functions.core.mail.addresses import masked
from functions.core.mail.fields import ADDRESS, ONE_LINE, one_line
from functions.core.task_types import task


class Welcome(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str = Field(pattern=ADDRESS)
    name: Annotated[str, AfterValidator(one_line)] = Field(
        min_length=1, max_length=200, json_schema_extra={"pattern": ONE_LINE}
    )
    message: str = Field(min_length=1, max_length=10_000)


@task("welcome-email", "WELCOME_EMAIL")
def welcome_email(ctx: Context, payload: Welcome) -> dict[str, Any]:
    def send() -> str:
        return ctx.mail.send(
            to=[payload.email],
            subject=f"Welcome, {' '.join(payload.name.split())}!",
            text=f"Hello {payload.name},\n\n{payload.message}\n",
            html=f"<p>Hello {escape(payload.name)},</p>\n<p>{escape(payload.message)}</p>\n",
            sender=None,
        )

    message_id = ctx.once("send", send)
    ctx.log(f"mail {message_id} to {masked(payload.email)}")
    return {"messageId": message_id}
