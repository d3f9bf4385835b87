"""Tasks that handlers submit: how a child is named, and how its parent is read from that name. Pure."""

from __future__ import annotations

import hashlib
import re

from functions.core.task import TASK_ID_PATTERN

CHILD_KEY_PREFIX = "task:"
"""Of idempotency keys. No caller may give a key that begins so."""
NAME_CHARACTERS = 200
"""A longer name is replaced by its hash: a key has at most 256 characters."""
_CHILD_KEY = re.compile(rf"{CHILD_KEY_PREFIX}({TASK_ID_PATTERN}):.+", re.DOTALL)


def child_idempotency_key(parent_id: str, name: str) -> str:
    """`name`: of the submit, unique among those of its parent."""
    short = name if len(name) <= NAME_CHARACTERS else hashlib.sha256(name.encode()).hexdigest()
    return f"{CHILD_KEY_PREFIX}{parent_id}:{short}"


def parent_of_key(key: str | None) -> str | None:
    """The id of the task whose handler submitted the one with this idempotency key. None: a caller submitted it."""
    found = _CHILD_KEY.fullmatch(key or "")
    return found[1] if found else None
