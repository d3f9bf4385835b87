"""The formats of a workflow's graph, and which one a request asks for."""

from __future__ import annotations

from functions.api.request import QueryParameters
from functions.core.errors import FieldError, InvalidRequest

MEDIA_TYPES = {
    "mermaid": "text/vnd.mermaid; charset=utf-8",
    "dot": "text/vnd.graphviz; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
FORMATS = {media_type.partition(";")[0]: name for name, media_type in MEDIA_TYPES.items()}


def graph_format(query: QueryParameters, accept: str | None) -> str:
    """A key of MEDIA_TYPES: by the parameter `format`, else by the Accept header, else mermaid. Raises
    InvalidRequest."""
    errors = list(query.errors)
    name = query.get("format")
    if name and name not in MEDIA_TYPES:
        errors.append(FieldError("format", f"must be one of {', '.join(MEDIA_TYPES)}"))
    if errors:
        raise InvalidRequest(errors)
    if name:
        return name
    accepted = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    return next((FORMATS[media_type] for media_type in accepted if media_type in FORMATS), "mermaid")
