"""Pages of lists: the query parameters `limit` and `cursor`, and the one codec of cursors."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from functions.api.request import QueryParameters
from functions.api.routing import QueryParameter
from functions.core.errors import FieldError, InvalidRequest
from functions.core.task import BASE32_ALPHABET
from functions.store.listings import Listings, task_id_of_position

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
POSITION = re.compile(rf"[0-9]{{13}}#[{BASE32_ALPHABET}]{{26}}(-[0-9]{{1,6}})?")
"""`<time>#<id>`: the key of the last record of a page, in an index that is sorted by time."""
UNKNOWN_CURSOR = "is not one that this API has given"
OTHER_FILTER = "belongs to a list with another filter"


def page_parameters(plural: str) -> tuple[QueryParameter, QueryParameter]:
    """`plural`: what a page holds, capitalized."""
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return (
        QueryParameter("limit", limit, f"{plural} in a page, at most."),
        QueryParameter(
            "cursor", {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}, "Of the previous page of the same list."
        ),
    )


def limit_of(query: QueryParameters, errors: list[FieldError]) -> int:
    """DEFAULT_LIMIT when it is left out, or wrong: then `errors` gets one more."""
    value = query.get("limit")
    if value is None:
        return DEFAULT_LIMIT
    # str.isdigit() and int() accept digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_LIMIT:
        errors.append(FieldError("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
        return DEFAULT_LIMIT
    return int(value)


# -- cursors


def encode_cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """ "" for what encode_cursor cannot have made."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        return ""


def list_cursor(position: str, scope: str) -> str:
    """`scope`: what list the position belongs to, e.g. a digest of its filter."""
    return encode_cursor(f"{position}#{scope}")


def list_position(cursor: str, pattern: re.Pattern[str] = POSITION) -> tuple[str | None, str]:
    """Position and scope. The position is None for what list_cursor cannot have made. `pattern`: of positions."""
    position, _, scope = decode_cursor(cursor).rpartition("#")
    return (position if pattern.fullmatch(position) else None), scope


# -- lists without filters


@dataclass(frozen=True)
class IdPage:
    """`cursor`: of the next page; None after the last."""

    ids: Sequence[str]
    cursor: str | None


def newest_ids(listings: Listings, tenant: str, query: QueryParameters, *, scope: str) -> IdPage:
    """A page of ids, newest first. `scope`: tells the cursors of this list from those of others. Raises
    InvalidRequest."""
    errors = list(query.errors)
    limit = limit_of(query, errors)
    if errors:
        raise InvalidRequest(errors)
    after = None
    if cursor := query.get("cursor"):
        after, cursor_scope = list_position(cursor)
        if after is None or cursor_scope != scope:
            raise InvalidRequest([FieldError("cursor", UNKNOWN_CURSOR)])
    # One more than the page holds shows whether another page follows.
    positions = list(islice(listings.positions(tenant, after=after, page_size=limit + 1), limit + 1))
    page = positions[:limit]
    return IdPage(
        [task_id_of_position(each) for each in page], list_cursor(page[-1], scope) if len(positions) > limit else None
    )
