"""/monitor: counts, queue depths and health of the deployment, as models and calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.api.json_fields import Json, mapping_of
from taskyard.transport.call import Call, Request


@dataclass(frozen=True, slots=True)
class Lane:
    """The depth of one lane's queue, in messages, approximately (as SQS counts)."""

    queued: int = 0
    in_flight: int = 0
    delayed: int = 0

    @classmethod
    def from_json(cls, document: Json) -> "Lane":
        return cls(*(int(document.get(name) or 0) for name in ("queued", "inFlight", "delayed")))


@dataclass(frozen=True, slots=True)
class Stats:
    """states: tasks per state. types: tasks per type and state. oldest_seconds: age of the oldest queued message."""

    states: Mapping[str, int]
    types: Mapping[str, Any]
    lanes: Mapping[str, Lane]
    oldest_seconds: float | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Json) -> "Stats":
        lanes = mapping_of(document, "lanes").items()
        return cls(
            states=dict(mapping_of(document, "states")),
            types=dict(mapping_of(document, "types")),
            lanes={name: Lane.from_json(lane) for name, lane in lanes if isinstance(lane, Mapping)},
            oldest_seconds=document.get("oldestSeconds"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Json) -> "Health":
        return cls(str(document.get("status", "")), document)


def stats() -> Call[Stats]:
    """Counts per state and type, and the depth of each lane."""
    return Call(Request("GET", "/monitor/stats"), Stats.from_json)


def health() -> Call[Health]:
    """Whether the API answers."""
    return Call(Request("GET", "/monitor/health"), Health.from_json)
