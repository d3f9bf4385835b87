"""Lists without filters, a page at a time: of runs, and of schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from functions.api.tasks.listing import DEFAULT_LIMIT, MAX_LIMIT, cursor, limited, position
from functions.core.errors import FieldError, InvalidRequest
from functions.store.listings import Listings, task_id


@dataclass(frozen=True)
class Page:
    """`cursor`: of the next page, None after the last."""

    ids: Sequence[str]
    cursor: str | None


def read(parameters: Mapping[str, str]) -> tuple[int, str | None]:
    """limit and cursor. An empty parameter counts as left out."""
    errors = [FieldError(name, "is not a known parameter") for name in parameters if name not in ("limit", "cursor")]
    limit = limited(parameters.get("limit") or None)
    if limit is None:
        errors.append(FieldError("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    if errors:
        raise InvalidRequest(errors)
    return limit or DEFAULT_LIMIT, parameters.get("cursor") or None


def newest_first(listings: Listings, tenant: str, parameters: Mapping[str, str], *, mark: str) -> Page:
    """`mark` tells the cursors of one list from those of others. Raises InvalidRequest."""
    limit, given = read(parameters)
    after = None
    if given is not None:
        after, marked = position(given)
        if after is None or marked != mark:
            raise InvalidRequest([FieldError("cursor", "is not one that this API has given")])
    places = list(islice(listings.positions(tenant, after=after, page_size=limit + 1), limit + 1))
    shown = places[:limit]
    return Page([task_id(place) for place in shown], cursor(shown[-1], mark) if len(places) > limit else None)
