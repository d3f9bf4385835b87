"""Tasks that a handler submits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from taskyard.tasks.effects import check_effect_name
from taskyard.tasks.errors import NotSubmitted
from taskyard.tasks.serialization import NotSerializable, json_text

if TYPE_CHECKING:
    from typing import Unpack

SUBMITS_PER_CALL = 1000


class SubmitOptions(TypedDict, total=False):
    """As in a submit over HTTP. `run_at`: an aware datetime, or a text with an offset. `retry`: with the names of the
    HTTP API, `{"baseSeconds": 5}`."""

    run_at: datetime | str
    delay_seconds: float
    priority: int | str
    max_retries: int
    timeout_seconds: int
    retry: Mapping[str, Any]
    tags: Mapping[str, str]
    dependencies: Sequence[str]
    notify: Sequence[Any]


@dataclass(frozen=True)
class Submit:
    """A task to submit. `name`: unique among the submits of the task that runs. `body`: as of POST /tasks."""

    name: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, type: str, payload: Any = None, **options: Unpack[SubmitOptions]) -> Submit:
        """`payload`: what JSON can hold, or a pydantic model. Raises ValueError for a name that cannot be one,
        TypeError for an unknown option, NotSubmitted for a payload that is no JSON."""
        check_effect_name(name)
        body: dict[str, Any] = {"type": type}
        if payload is not None:
            try:
                body["payload"] = json.loads(json_text(payload))
            except NotSerializable as error:
                raise NotSubmitted(name, f"payload: {error}") from error
        for option, value in options.items():
            if option not in FIELD_OF_OPTION:
                raise TypeError(f"a submit has no option {option!r}; it has {', '.join(FIELD_OF_OPTION)}")
            if value is not None:
                body[FIELD_OF_OPTION[option]] = value.isoformat() if isinstance(value, datetime) else value
        return cls(name, body)


FIELD_OF_OPTION = {
    "run_at": "runAt",
    "delay_seconds": "delaySeconds",
    "priority": "priority",
    "max_retries": "maxRetries",
    "timeout_seconds": "timeoutSeconds",
    "retry": "retry",
    "tags": "tags",
    "dependencies": "dependencies",
    "notify": "notify",
}


def check_submits(submits: Sequence[Submit]) -> None:
    """Raises ValueError when there are too many for one call, or two have the same name."""
    if len(submits) > SUBMITS_PER_CALL:
        raise ValueError(f"{len(submits)} submits in one call; at most {SUBMITS_PER_CALL}")
    names: set[str] = set()
    for submit in submits:
        if submit.name in names:
            raise ValueError(f"two submits have the name {submit.name!r}")
        names.add(submit.name)
