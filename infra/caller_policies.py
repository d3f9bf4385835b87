"""IAM policies for callers of the IAM API, made from the routes.

`python -m infra.caller_policies` prints the part of docs/security.md that shows them; a test keeps the two the same.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from .build.routes import ApiRoute, build_routes

POLICY_ROLES = ("viewer", "submitter", "admin")
"""An operator calls the routes of an admin."""
API = ":".join(("arn", "aws", "execute-api", "us-east-1", "111122223333", "a1b2c3d4e5/$default"))
"""An example: whoever uses a policy puts in its own region, account and API."""


def caller_policy(role: str, routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """What `role` may call and the role before it may not. Open routes are no part of it: they ask for no identity.

    An id in a path is `*`, which in IAM also stands for slashes: no such pattern may fit a route of a higher role.
    """
    resources = [
        f"{API}/{route.method}{re.sub(r'{[^}]+}', '*', route.path)}"
        for route in routes
        if route.role == role and not route.open
    ]
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": sorted(resources)}
    return {"Version": "2012-10-17", "Statement": [statement]}


def section(routes: Sequence[ApiRoute]) -> str:
    parts = []
    for role in POLICY_ROLES:
        policy = json.dumps(caller_policy(role, routes), indent=2)
        parts.append(f"**{role}**\n\n```json\n{policy}\n```")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(section(build_routes()) + "\n")
