"""What a principal may do. Each route of the API declares the least role that it takes."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Each role includes the roles before it."""

    VIEWER = "viewer"
    """Reads its tenant."""
    SUBMITTER = "submitter"
    """Submits and controls tasks, workflows and schedules of its tenant."""
    ADMIN = "admin"
    """Redrives and cancels in bulk, and changes the configuration of its tenant."""
    OPERATOR = "operator"
    """Does what an admin does, for the tenant that the request names."""

    def includes(self, other: Role) -> bool:
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}
