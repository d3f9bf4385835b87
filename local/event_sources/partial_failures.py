"""Partial batch responses: which items of a batch a function reports as failed."""

from __future__ import annotations

import json


def failed_ids(payload: bytes, ids: list[str]) -> set[str]:
    """Which items of a batch failed, by a function's partial batch response: none for null or an empty list, all for
    what Lambda would not understand (an unknown or empty identifier, another shape)."""
    try:
        answer = json.loads(payload)
        failures = (answer or {}).get("batchItemFailures") or []
        failed = {failure["itemIdentifier"] for failure in failures}
    except (ValueError, TypeError, KeyError, AttributeError):
        return set(ids)
    return failed if failed <= set(ids) else set(ids)
