"""Telling of ends: whom to tell (`notify` of a submit), and how far each has come. docs/notifications.md"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from taskyard.times import instant

On = Literal["success", "failure", "both"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A POST, signed after Standard Webhooks. on: None is both; a failure is every end but success. secret: the name of
    the secret that signs, never the secret itself; None is the default one."""

    url: str
    on: On | None = None
    secret: str | None = None

    def write(self) -> dict[str, Any]:
        named = {"webhook": self.url, "on": self.on, "secret": self.secret}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class EmailTarget:
    address: str
    on: On | None = None

    def write(self) -> dict[str, Any]:
        return {"email": self.address} if self.on is None else {"email": self.address, "on": self.on}


Targets = Sequence[WebhookTarget | EmailTarget | Mapping[str, Any]]
"""Whom to tell; a mapping goes as it is."""


def written(targets: Targets) -> list[dict[str, Any]]:
    return [target.write() if isinstance(target, WebhookTarget | EmailTarget) else dict(target) for target in targets]


@dataclass(frozen=True, slots=True)
class Notification:
    """One end of a task or workflow, told to one target. `to`: of a webhook its origin only. target: its place in
    `notify`. state: WAITING (for the end), PENDING (it is being tried), DELIVERED or UNDELIVERABLE. status: of the last
    HTTP answer. of, id: whose end, where many are listed."""

    to: str
    state: str
    target: int = 0
    event: str | None = None
    attempts: int = 0
    status: int | None = None
    error: str | None = None
    first_attempt_at: datetime | None = None
    last_attempt_at: datetime | None = None
    of: str | None = None
    id: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, document: Json) -> "Notification":
        return cls(
            to=str(document["to"]),
            state=str(document["state"]),
            target=int(document.get("target") or 0),
            event=document.get("event"),
            attempts=int(document.get("attempts") or 0),
            status=document.get("status"),
            error=document.get("error"),
            first_attempt_at=instant(document, "firstAttemptAt"),
            last_attempt_at=instant(document, "lastAttemptAt"),
            of=document.get("of"),
            id=document.get("id"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    notifications: tuple[Notification, ...]
    cursor: str | None = None

    @classmethod
    def read(cls, document: Json) -> "NotificationPage":
        return cls(notifications(document), document.get("cursor") or None)


def notifications(document: Json) -> tuple[Notification, ...]:
    """Those that a task, a workflow or a page has under that name."""
    return tuple(Notification.read(each) for each in document.get("notifications") or ())
