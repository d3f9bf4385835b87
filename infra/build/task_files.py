"""The task files, checked before anything is synthesized, started or deployed."""

from __future__ import annotations

import subprocess

from ..config import Config, DeploymentError
from .assets import build_local_layer
from .layer_python import TIMEOUT_SECONDS, run_module
from .locations import LOCK_FILE, ROOT


class InvalidTaskFilesError(DeploymentError):
    """`faults`: one a line, `file:line: what is wrong: what to do`."""

    def __init__(self, faults: str) -> None:
        self.faults = faults
        super().__init__(faults)


def check_task_files(config: Config) -> None:
    """Raises InvalidTaskFilesError, and MissingWheelError or RequirementsError where the layer cannot be installed."""
    paths = (ROOT, ROOT / "client", build_local_layer(LOCK_FILE))
    try:
        ran = run_module("functions.build.task_files", str(config.worker_timeout_seconds), paths=paths)
    except subprocess.TimeoutExpired:
        raise InvalidTaskFilesError(
            f"functions/tasks: importing the task files takes longer than {TIMEOUT_SECONDS} s: importing a task file "
            "must do nothing but define"
        ) from None
    if ran.returncode == 1 and ran.stdout.strip():
        raise InvalidTaskFilesError(ran.stdout.strip())
    if ran.returncode:
        last = ran.stderr.strip().rpartition("\n")[2] or "without a word"
        raise InvalidTaskFilesError(
            f"functions/tasks: importing the task files ends the process ({ran.returncode}): {last}: importing a task "
            f"file must do nothing but define\n{ran.stderr}"
        )
