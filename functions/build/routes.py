"""`python -m functions.build.routes FILE`: writes the routes of the API to FILE, for the template.

A JSON array of `{"method": "GET", "path": "/tasks/{id}", "open": false, "role": "viewer"}`. infra/build/routes.py runs
this in a process of its own and reads the file. The deployed functions never import this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def route_entries() -> list[dict[str, Any]]:
    from functions.api.routes import ROUTES

    return [
        {"method": route.method, "path": route.path, "open": route.open, "role": str(route.role)} for route in ROUTES
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(route_entries(), indent=1) + "\n")
