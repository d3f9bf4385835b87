"""POST /tasks/cancel: cancels many tasks that have not started, by id or by filter."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from taskyard.api.json_fields import Json, strings_of
from taskyard.api.request_fields import FieldMap, same_value, to_fields, without_none
from taskyard.api.requests import post
from taskyard.api.tasks.batch import TASKS_PER_REQUEST
from taskyard.transport.call import Call


class CancelFilter(TypedDict, total=False):
    """Which of the tasks that have not started: those that match every given field."""

    type: str | None
    state: str | None
    tags: Mapping[str, str] | None


CANCEL_FIELDS: FieldMap = {"type": ("type", same_value), "state": ("state", same_value), "tags": ("tags", dict)}


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Ids of the tasks that were cancelled (with dry_run: would be), and id → reason of those that were refused."""

    matched: int
    cancelled: tuple[str, ...]
    refused: Mapping[str, str]
    dry_run: bool
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "Cancelled":
        refused = {str(entry["id"]): str(entry["reason"]) for entry in document["refused"]}
        matched, ids = int(document["matched"]), strings_of(document, "cancelled")
        return cls(matched, ids, refused, bool(document["dryRun"]), document.get("cursor") or None)

    def __add__(self, later: "Cancelled") -> "Cancelled":
        return Cancelled(
            self.matched + later.matched,
            self.cancelled + later.cancelled,
            {**self.refused, **later.refused},
            later.dry_run,
            later.cursor,
        )


def cancel_many(
    ids: Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    reason: str | None = None,
    **filter: Unpack[CancelFilter],
) -> Iterator[Call[Cancelled]]:
    """By ids: one call per thousand. By filter: one call, continued by `next_page` while its answer has a cursor."""
    filter_fields = without_none(to_fields(filter, CANCEL_FIELDS))
    if (ids is None) == (not filter_fields):
        raise ValueError("give the tasks to cancel by ids, or by type, state or tags: not both, not neither")
    common_fields: dict[str, object] = {"dryRun": dry_run, "reason": reason}
    if ids is None:
        return iter([post("/tasks/cancel", filter_fields | common_fields, Cancelled.from_json)])
    unique_ids = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))
    return (
        post(
            "/tasks/cancel", {"ids": unique_ids[start : start + TASKS_PER_REQUEST]} | common_fields, Cancelled.from_json
        )
        for start in range(0, len(unique_ids), TASKS_PER_REQUEST)
    )


def next_page(call: Call[Cancelled], cursor: str) -> Call[Cancelled]:
    """The same call, continued where its answer ended."""
    return post("/tasks/cancel", {**json.loads(call.request.body), "cursor": cursor}, Cancelled.from_json)
