"""Validation of bodies and query parameters that have no other names for their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import StringConstraints

from functions.core.errors import InvalidRequest
from functions.intake.task_requests import Limits, Request, parse

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
M = TypeVar("M", bound=Request)


def parse_fields(model: type[M], fields: Mapping[str, Any], now: int) -> M:
    """`now`: epoch ms. Raises InvalidRequest with every field at fault."""
    parsed = parse(model, fields, {}, Limits(now, 0))
    if parsed.request is None:
        raise InvalidRequest(parsed.errors)
    return parsed.request
