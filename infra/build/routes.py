"""The routes of the HTTP API: functions/api declares them, the build writes them to a file, the template reads it.

.build/routes/<digest>/routes.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..config import DeploymentError
from .assets import RULES, build_directory, digest_of, file_lock
from .code_assets import function_sources
from .layer_python import run_module
from .layers import LAYER_LOCK, build_local_layer
from .locations import BUILD, LOCK_FILE, ROOT

_FILE = "routes.json"


class RoutesError(DeploymentError):
    """The declarations of the routes cannot be imported."""


@dataclass(frozen=True)
class ApiRoute:
    """`open`: anyone may call it, unsigned. `role`: what a caller needs, of viewer, submitter, admin, operator."""

    method: str
    path: str
    open: bool
    role: str


def build_routes() -> tuple[ApiRoute, ...]:
    """Imported only when the functions or their packages changed. Raises RoutesError, MissingWheelError,
    RequirementsError."""
    paths = (ROOT, ROOT / "client", build_local_layer(LOCK_FILE))

    def fill(stage: Path) -> None:
        ran = run_module("functions.build.routes", str(stage / _FILE), paths=paths)
        if ran.returncode:
            last_line = ran.stderr.strip().rpartition("\n")[2] or f"exit code {ran.returncode}"
            raise RoutesError(f"functions/api: the routes cannot be imported: {last_line}\n{ran.stderr}")

    digest = digest_of({**function_sources(), LAYER_LOCK: LOCK_FILE.read_bytes()}, salt=("routes", RULES))
    with file_lock(BUILD / ".lock"):
        directory = build_directory("routes", digest, fill=fill, quiet=True).path
    return tuple(ApiRoute(**route) for route in json.loads((directory / _FILE).read_text()))
