"""GET /tasks: newest first, filtered by state and type, page by page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from functions.api.paging import OTHER_FILTER, UNKNOWN_CURSOR, limit_of, list_cursor, list_position
from functions.api.request import QueryParameters
from functions.core.errors import FieldError, InvalidRequest
from functions.core.pools import Routing
from functions.core.states import State
from functions.core.task import Task
from functions.intake import task_views as views
from functions.store.listings import Listings

if TYPE_CHECKING:
    from functions.api.schemas import TaskList

RECORDS_READ_LIMIT = 1000
"""Records that one request reads at most, half a read unit each: a rare state takes several pages to be found."""
TYPE_LIMIT = 256


@dataclass(frozen=True)
class TaskQuery:
    """`after`: the position, `<created at>#<id>`, of the last task of the previous page."""

    state: State | None
    type: str | None
    limit: int
    after: str | None


@dataclass(frozen=True)
class TaskListing:
    """`canonical_type`: any name of a task type → the name that records have."""

    listings: Listings
    canonical_type: Callable[[str], str]
    routing: Routing

    def page(self, parameters: QueryParameters, *, tenant: str, now: int) -> TaskList:
        query = task_query(parameters, tenant)
        page = self.listings.page(
            tenant,
            limit=query.limit,
            after=query.after,
            read_limit=RECORDS_READ_LIMIT,
            matches=self._filter(query, now),
        )
        return {
            "tasks": [views.list_entry(task, self.routing, now=now) for task in page.tasks],
            "cursor": None if page.after is None else list_cursor(page.after, filter_digest(tenant, query)),
        }

    def _filter(self, query: TaskQuery, now: int) -> Callable[[Task], bool] | None:
        if query.state is None and query.type is None:
            return None
        name = None if query.type is None else self.canonical_type(query.type)
        return lambda task: (
            (query.state is None or task.state_at(now) is query.state) and (name is None or task.type == name)
        )


def task_query(parameters: QueryParameters, tenant: str) -> TaskQuery:
    """Raises InvalidRequest with every parameter at fault."""
    errors = list(parameters.errors)
    state, type_, cursor = (parameters.get(name) for name in ("state", "type", "cursor"))
    if state is not None and state not in State.__members__:
        errors.append(FieldError("state", f"must be one of {', '.join(State)}"))
        state = None
    if type_ is not None and len(type_) > TYPE_LIMIT:
        errors.append(FieldError("type", f"must be at most {TYPE_LIMIT} characters"))
    query = TaskQuery(State(state) if state else None, type_, limit_of(parameters, errors), None)
    if cursor is not None:
        after, digest = list_position(cursor)
        if after is None:
            errors.append(FieldError("cursor", UNKNOWN_CURSOR))
        elif digest != filter_digest(tenant, query) and not errors:
            errors.append(FieldError("cursor", OTHER_FILTER))
        query = replace(query, after=after)
    if errors:
        raise InvalidRequest(errors)
    return query


def filter_digest(tenant: str, query: TaskQuery) -> str:
    """Of everything that must be the same on each page of a list."""
    text = f"{tenant}\0{query.state or ''}\0{query.type or ''}"
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=6).hexdigest()
