"""SEND_EMAIL: one mail through SES, at most once per task."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from taskyard.tasks import Context, task
from taskyard.tasks.mail import ADDRESS, ONE_LINE, mask_addresses, one_line

Address = Annotated[str, Field(pattern=ADDRESS)]


def validate_sender(address: str) -> str:
    """For an early error at submit. functions/aws/mail.py and the worker's role enforce the rule."""
    senders = os.environ.get("MAIL_SENDERS")
    if senders is not None and address not in senders.split(","):
        known = {"senders": senders.replace(",", ", ")}
        raise PydanticCustomError("sender", "is no sender of this deployment; allowed: {senders}", known)
    return address


class Email(BaseModel):
    """`to`: one address, or up to 50 (SES's limit). `content` is HTML; `text` the plain body. `from` defaults to the
    deployment's own sender (`mail_from`); it may be one of `mail_senders`, no other identity of the account."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: Address | Annotated[list[Address], Field(min_length=1, max_length=50)]
    subject: Annotated[str, AfterValidator(one_line)] = Field(
        min_length=1, max_length=998, json_schema_extra={"pattern": ONE_LINE}
    )
    content: str | None = Field(default=None, validation_alias=AliasChoices("content", "html"))
    text: str | None = None
    sender: Annotated[Address, AfterValidator(validate_sender)] | None = Field(default=None, alias="from")

    def recipients(self) -> list[str]:
        return [self.to] if isinstance(self.to, str) else self.to


@task("SEND_EMAIL", "email")
def send_email(ctx: Context, payload: Email) -> dict[str, Any]:
    text = payload.text if payload.text or payload.content else payload.subject

    def send() -> str:
        return ctx.mail.send(
            to=payload.recipients(),
            subject=payload.subject,
            text=text,
            html=payload.content,
            sender=payload.sender,
        )

    message_id = ctx.once("send", send)
    ctx.log(f"mail {message_id} to {mask_addresses(', '.join(payload.recipients()))}")
    return {"messageId": message_id}
