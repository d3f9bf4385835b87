"""Declared schedules, checked before a stack is synthesized as the deployment will check them: cron, time zone, task
type, payload, workflow. By the functions' own code, in a process of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import DeploymentError
from .layer_python import run_module
from .layers import build_local_layer
from .locations import LOCK_FILE, ROOT


class InvalidScheduleError(DeploymentError):
    """A declared schedule is not valid; the message names schedule and field."""


def check_schedules(
    definitions: Mapping[str, Mapping[str, Any]], *, code: Path, worker_seconds: int, webhook_reach: str
) -> None:
    """`definitions`: name → body of POST /schedules. `code`: the code asset of all functions, which has the task types
    and their handlers. Raises InvalidScheduleError, MissingWheelError, RequirementsError."""
    if not definitions:
        return
    paths = (ROOT, ROOT / "client", code, build_local_layer(LOCK_FILE))
    with tempfile.TemporaryDirectory(prefix="taskyard-") as folder:
        file = Path(folder) / "schedules.json"
        file.write_text(json.dumps(definitions))
        task_types = str(code / "task-types.json")
        ran = run_module(
            "functions.build.schedules", str(file), task_types, str(worker_seconds), webhook_reach, paths=paths
        )
    if ran.returncode:
        last_line = ran.stderr.strip().rpartition("\n")[2] or f"exit code {ran.returncode}"
        raise InvalidScheduleError(ran.stdout.strip() or f"schedules cannot be checked: {last_line}\n{ran.stderr}")
