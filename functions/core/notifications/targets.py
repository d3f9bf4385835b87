"""The `notify` field of requests: the targets of notifications of a task or a workflow. docs/notifications.md"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from taskyard.tasks.mail import ADDRESS
from taskyard.tasks.signature import SECRET_NAME
from taskyard.tasks.urls import MAX_URL_LENGTH, validate_url

from functions.core.errors import FieldError
from functions.core.webhooks.addresses import Reach, is_address, may_call

MAX_TARGETS = 10
MAX_BYTES = 4096
"""Of all targets together, as JSON. They are stored in the record, and each write of the record pays for them."""

REACH_MESSAGES: Mapping[Reach, str] = {
    "public": "must be on the public internet",
    "any": "must not be a loopback or link-local address",
    "local": "must not be a link-local address",
}


def custom_error(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def validate_mail_address(address: str) -> str:
    if not re.fullmatch(ADDRESS, address):
        raise custom_error("must be a mail address")
    return address


class NotifyTarget(BaseModel):
    """One receiver: a webhook or a mail address."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"oneOf": [{"required": ["webhook"]}, {"required": ["email"]}]}
    )

    webhook: Annotated[str, Field(max_length=MAX_URL_LENGTH), AfterValidator(validate_url)] | None = Field(
        None, description="An https URL. It gets a POST, signed after Standard Webhooks."
    )
    email: (
        Annotated[str, AfterValidator(validate_mail_address), WithJsonSchema({"type": "string", "pattern": ADDRESS})]
        | None
    ) = Field(None, description="A mail address.")
    on: Literal["success", "failure", "both"] = Field(
        "both", description="`failure` is every end but success: also when skipped, cancelled or timed out."
    )
    secret: Annotated[str, StringConstraints(pattern=SECRET_NAME)] | None = Field(
        None, description="The name of the secret to sign with, never the secret itself. Left out: `default`."
    )

    @model_validator(mode="after")
    def require_one_receiver(self) -> NotifyTarget:
        if (self.webhook is None) == (self.email is None):
            raise custom_error("give either webhook or email")
        if self.secret is not None and self.webhook is None:
            raise custom_error("secret goes with webhook only: mail is not signed")
        return self

    def to_record(self) -> dict[str, Any]:
        """As records store it: fields with their default are left out."""
        return self.model_dump(exclude_defaults=True)


def limit_bytes(targets: list[NotifyTarget]) -> list[NotifyTarget]:
    size = len(json.dumps(stored_targets(targets), separators=(",", ":")).encode())
    if size > MAX_BYTES:
        raise custom_error(f"is {size} bytes long: all targets together may be {MAX_BYTES}")
    return targets


Notify = Annotated[list[NotifyTarget], Field(max_length=MAX_TARGETS), AfterValidator(limit_bytes)]
"""The type of the field `notify` of a request."""


def stored_targets(targets: Sequence[NotifyTarget] | None) -> tuple[dict[str, Any], ...]:
    """The targets as the record of a task or a run stores them."""
    return tuple(target.to_record() for target in targets or ())


def unreachable_webhooks(targets: Sequence[NotifyTarget] | None, reach: Reach) -> Iterator[FieldError]:
    """Errors for webhooks that this deployment never calls. The addresses of host names are checked at each call."""
    for at, target in enumerate(targets or ()):
        if target.webhook is None:
            continue
        parts = urlsplit(target.webhook)
        host = (parts.hostname or "").removesuffix(".")
        # The names of the loopback (RFC 6761).
        address = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
        if reach == "public" and parts.scheme != "https":
            yield FieldError(f"notify[{at}].webhook", "must be an https URL")
        elif is_address(address) and not may_call(address, reach):
            yield FieldError(f"notify[{at}].webhook", REACH_MESSAGES[reach])
