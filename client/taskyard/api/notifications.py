"""/notifications: targets that are notified of the end of a task or workflow (`notify` of a submit), and the delivery
to each target. Models and calls. See docs/notifications.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from taskyard.api.json_fields import Json
from taskyard.api.requests import query_of
from taskyard.times import instant_of
from taskyard.transport.call import Call, Request

On = Literal["success", "failure", "both"]


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A POST, signed by Standard Webhooks. on: None is both; a failure is every end but success. secret: the name of
    the secret that signs, never the secret itself; None is the default secret."""

    url: str
    on: On | None = None
    secret: str | None = None

    def to_json(self) -> dict[str, Any]:
        fields = {"webhook": self.url, "on": self.on, "secret": self.secret}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class EmailTarget:
    address: str
    on: On | None = None

    def to_json(self) -> dict[str, Any]:
        return {"email": self.address} if self.on is None else {"email": self.address, "on": self.on}


Targets = Sequence[WebhookTarget | EmailTarget | Mapping[str, Any]]
"""A mapping is sent as it is."""


def targets_to_json(targets: Targets) -> list[dict[str, Any]]:
    return [target.to_json() if isinstance(target, WebhookTarget | EmailTarget) else dict(target) for target in targets]


@dataclass(frozen=True, slots=True)
class Notification:
    """The delivery of the end of a task or workflow to one target. `to`: of a webhook its origin only. target: its
    index in `notify`. state: WAITING (for the end), PENDING (being delivered), DELIVERED or UNDELIVERABLE. status: of
    the last HTTP answer. of, id: the kind and id of what ended, where many are listed."""

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
    def from_json(cls, document: Json) -> "Notification":
        return cls(
            to=str(document["to"]),
            state=str(document["state"]),
            target=int(document.get("target") or 0),
            event=document.get("event"),
            attempts=int(document.get("attempts") or 0),
            status=document.get("status"),
            error=document.get("error"),
            first_attempt_at=instant_of(document, "firstAttemptAt"),
            last_attempt_at=instant_of(document, "lastAttemptAt"),
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
    def from_json(cls, document: Json) -> "NotificationPage":
        return cls(notifications_of(document), document.get("cursor") or None)


def notifications_of(document: Json) -> tuple[Notification, ...]:
    """The field `notifications` of a task, a workflow or a page."""
    return tuple(Notification.from_json(entry) for entry in document.get("notifications") or ())


def undeliverable(limit: int | None = None, cursor: str | None = None) -> Call[NotificationPage]:
    query = query_of(state="UNDELIVERABLE", limit=limit, cursor=cursor)
    return Call(Request("GET", f"/notifications{query}"), NotificationPage.from_json)
