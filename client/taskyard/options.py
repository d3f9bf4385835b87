"""What may be said beside the main thing of a request: for both clients, the producer and the calls. Each option's
type, its name on the wire and how it is written there stand here only.

What is left out, or None, is not sent: the server's own default holds.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from taskyard.idempotency import checked_key
from taskyard.model import Retry
from taskyard.notify import Targets, written
from taskyard.times import in_seconds, to_wire

Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Option → its name on the wire, and what makes its value there of one that is not None."""


def as_it_is(value: Any) -> Any:
    return value


def named(options: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """The options as the API has them, None included. Raises TypeError for one that there is not."""
    for name in options.keys() - fields.keys():
        raise TypeError(f"there is no option {name!r}; there are {', '.join(fields)}")
    return {
        wire: None if options[name] is None else write(options[name])
        for name, (wire, write) in fields.items()
        if name in options
    }


def given(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in document.items() if value is not None}


class TaskOptions(TypedDict, total=False):
    """Of a submit.

    run_at: aware datetime, or delay: seconds or timedelta. priority: 0–9, higher first, or high, normal, low.
    max_retries: tries after the first. timeout: of one attempt. dependencies: ids of tasks that must succeed first.
    notify: whom to tell when it has ended.
    """

    run_at: datetime | None
    delay: float | timedelta | None
    priority: int | str | None
    max_retries: int | None
    retry: Retry | Mapping[str, Any] | None
    timeout: float | timedelta | None
    tags: Mapping[str, str] | None
    dependencies: Sequence[str] | None
    notify: Targets | None


TASK: Fields = {
    "type": ("type", as_it_is),
    "payload": ("payload", as_it_is),
    "run_at": ("runAt", to_wire),
    "delay": ("delaySeconds", in_seconds),
    "priority": ("priority", as_it_is),
    "max_retries": ("maxRetries", as_it_is),
    "retry": ("retry", lambda policy: policy.write() if isinstance(policy, Retry) else policy),
    "timeout": ("timeoutSeconds", in_seconds),
    "idempotency_key": ("idempotencyKey", checked_key),
    "tags": ("tags", dict),
    "dependencies": ("dependencies", list),
    "notify": ("notify", written),
}


class WorkflowOptions(TypedDict, total=False):
    """deadline: from its start. on_failure: continue or cancel. notify: whom to tell when it has ended."""

    name: str | None
    deadline: float | timedelta | None
    on_failure: str | None
    notify: Targets | None


WORKFLOW: Fields = {
    "name": ("name", as_it_is),
    "deadline": ("deadlineSeconds", in_seconds),
    "on_failure": ("onFailure", as_it_is),
    "notify": ("notify", written),
}


class ScheduleOptions(TypedDict, total=False):
    """cron: five fields as in Unix; or rate: `5 minutes`. timezone: an IANA name. start_at, end_at: aware datetimes;
    nothing before the one, nothing then or after the other. overlap: `skip` submits nothing while the task before has
    not ended. catch_up: `last` submits what was missed, once. In an update None takes name, start_at and end_at away.
    """

    cron: str | None
    rate: str | None
    timezone: str | None
    name: str | None
    start_at: datetime | None
    end_at: datetime | None
    paused: bool | None
    overlap: str | None
    catch_up: str | None


SCHEDULE: Fields = {
    "cron": ("cron", as_it_is),
    "rate": ("rate", as_it_is),
    "timezone": ("timezone", as_it_is),
    "name": ("name", as_it_is),
    "start_at": ("startAt", to_wire),
    "end_at": ("endAt", to_wire),
    "paused": ("paused", as_it_is),
    "overlap": ("overlap", as_it_is),
    "catch_up": ("catchUp", as_it_is),
}


class LetterFilter(TypedDict, total=False):
    """Which dead letters. error_type: class of the last error. since, until: of their end (until: before it)."""

    type: str | None
    error_type: str | None
    since: datetime | None
    until: datetime | None


LETTERS: Fields = {
    "type": ("type", as_it_is),
    "error_type": ("errorType", as_it_is),
    "since": ("since", to_wire),
    "until": ("until", to_wire),
}


class RedriveOptions(LetterFilter, total=False):
    """rate: so many a second (None: 10). attempts: new ones for each (None: as its type has it)."""

    rate: float | None
    attempts: int | None


REDRIVE: Fields = {**LETTERS, "rate": ("ratePerSecond", as_it_is), "attempts": ("attempts", as_it_is)}


class CancelFilter(TypedDict, total=False):
    """Which of the tasks that have not started: all that fit."""

    type: str | None
    state: str | None
    tags: Mapping[str, str] | None


CANCEL: Fields = {"type": ("type", as_it_is), "state": ("state", as_it_is), "tags": ("tags", dict)}
