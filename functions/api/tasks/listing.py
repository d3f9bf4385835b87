"""GET /tasks: newest first, filtered by state and type, page by page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import FieldError, InvalidRequest
from functions.core.states import State
from functions.core.task import ALPHABET, Task
from functions.intake import task_views as views
from functions.store.listings import Listings

PARAMETERS = ("state", "type", "limit", "cursor")
DEFAULT_LIMIT = 20
MAX_LIMIT = 100
LOOKED_AT = 1000
"""Records that one request reads at most, half a read unit each: a rare state takes several pages to be found."""
POSITION = re.compile(rf"[0-9]{{13}}#[{ALPHABET}]{{26}}(-[0-9]{{1,6}})?")
TYPE_LIMIT = 256


@dataclass(frozen=True)
class Query:
    """`after`: the position, `<created at>#<id>`, that the page before ended with."""

    state: State | None
    type: str | None
    limit: int
    after: str | None


@dataclass(frozen=True)
class Listing:
    """`canonical`: a task type's name or other name → the one that records have."""

    listings: Listings
    canonical: Callable[[str], str]

    def page(self, parameters: Mapping[str, str], *, tenant: str, now: int) -> dict[str, Any]:
        query = read(parameters, tenant)
        page = self.listings.page(
            tenant,
            limit=query.limit,
            after=query.after,
            looked_at=LOOKED_AT,
            wanted=self._wanted(query, now),
        )
        return {
            "tasks": [views.brief(task, now=now) for task in page.tasks],
            "cursor": None if page.after is None else cursor(page.after, filter_digest(tenant, query)),
        }

    def _wanted(self, query: Query, now: int) -> Callable[[Task], bool] | None:
        if query.state is None and query.type is None:
            return None
        name = None if query.type is None else self.canonical(query.type)
        return lambda task: (
            (query.state is None or task.seen_at(now) is query.state) and (name is None or task.type == name)
        )


def read(parameters: Mapping[str, str], tenant: str) -> Query:
    """Raises InvalidRequest naming every parameter at fault. An empty one counts as left out."""
    errors = [FieldError(name, "is not a known parameter") for name in parameters if name not in PARAMETERS]
    given = {name: value for name, value in parameters.items() if value and name in PARAMETERS}
    state = given.get("state")
    if state is not None and state not in State.__members__:
        errors.append(FieldError("state", f"must be one of {', '.join(State)}"))
        state = None
    if len(given.get("type", "")) > TYPE_LIMIT:
        errors.append(FieldError("type", f"must be at most {TYPE_LIMIT} characters"))
    limit = limited(given.get("limit"))
    if limit is None:
        errors.append(FieldError("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    query = Query(State(state) if state else None, given.get("type"), limit or DEFAULT_LIMIT, None)
    if "cursor" in given:
        after, digest = position(given["cursor"])
        if after is None:
            errors.append(FieldError("cursor", "is not one that this API has given"))
        elif digest != filter_digest(tenant, query) and not errors:
            errors.append(FieldError("cursor", "belongs to a list with another filter"))
        query = Query(query.state, query.type, query.limit, after)
    if errors:
        raise InvalidRequest(errors)
    return query


def limited(value: str | None) -> int | None:
    if value is None:
        return DEFAULT_LIMIT
    # isdigit() takes other scripts' digits too, and int() would as well.
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_LIMIT:
        return None
    return int(value)


def cursor(after: str, digest: str) -> str:
    return base64.urlsafe_b64encode(f"{after}#{digest}".encode()).decode().rstrip("=")


def position(cursor: str) -> tuple[str | None, str]:
    """Position and filter digest; None for what is no cursor."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        after, _, digest = base64.b64decode(padded, altchars=b"-_", validate=True).decode().rpartition("#")
    except (binascii.Error, UnicodeError):
        return None, ""
    return (after if POSITION.fullmatch(after) else None), digest


def filter_digest(tenant: str, query: Query) -> str:
    meant = f"{tenant}\0{query.state or ''}\0{query.type or ''}"
    return hashlib.blake2b(meant.encode(errors="replace"), digest_size=6).hexdigest()
