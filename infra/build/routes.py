"""The routes of the HTTP API. functions/api declares them, the build writes them to a file, the template reads it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..config import DeploymentError
from .layer_python import run_module
from .layers import build_local_layer
from .locations import BUILD, LOCK_FILE, ROOT

ROUTES_FILE = BUILD / "routes.json"


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
    """Writes ROUTES_FILE and reads it. Raises RoutesError, MissingWheelError, RequirementsError."""
    BUILD.mkdir(exist_ok=True)
    paths = (ROOT, ROOT / "client", build_local_layer(LOCK_FILE))
    # Two builds at once write a file each; the rename is atomic.
    with tempfile.TemporaryDirectory(dir=BUILD, prefix=".tmp-") as folder:
        written = Path(folder) / ROUTES_FILE.name
        ran = run_module("functions.build.routes", str(written), paths=paths)
        if ran.returncode:
            last_line = ran.stderr.strip().rpartition("\n")[2] or f"exit code {ran.returncode}"
            raise RoutesError(f"functions/api: the routes cannot be imported: {last_line}\n{ran.stderr}")
        os.replace(written, ROUTES_FILE)
    return read_routes(ROUTES_FILE)


def read_routes(file: Path) -> tuple[ApiRoute, ...]:
    return tuple(ApiRoute(**route) for route in json.loads(file.read_text()))
