"""welcome-email: greets somebody by name, in one mail, at most once per task."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from taskyard.tasks import Context, task
from taskyard.tasks.mail import ADDRESS, ONE_LINE, mask_addresses, one_line


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
    ctx.log(f"mail {message_id} to {mask_addresses(payload.email)}")
    return {"messageId": message_id}
