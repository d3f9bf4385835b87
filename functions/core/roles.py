"""What a principal may do. Each route of the API declares the role that it needs; no route checks it yet."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Each role may also do what the roles before it may."""

    VIEWER = "viewer"
    """Reads its tenant."""
    SUBMITTER = "submitter"
    """Submits and controls tasks, workflows and schedules of its tenant."""
    ADMIN = "admin"
    """Redrives and cancels in bulk in its tenant."""
    OPERATOR = "operator"
    """Acts for every tenant."""
