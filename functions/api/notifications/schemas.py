"""The JSON of notifications, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from functions.intake.task_schemas import Notification


class UndeliveredNotification(Notification):
    of: Literal["task", "workflow"]
    id: str


class NotificationList(TypedDict):
    notifications: list[UndeliveredNotification]
    cursor: Annotated[str | None, Field(description="For the next page; null on the last one.")]
