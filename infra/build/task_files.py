"""The task files, checked before anything is synthesized, started or deployed.

In a process of its own: what deploys and what is deployed meet in files only, and a task file may do anything when it
is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys

from infra.build.assets import LOCK_FILE, ROOT, build_local_layer
from infra.config import Config, DeploymentError

TIMEOUT_SECONDS = 120
CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"})


class InvalidTaskFilesError(DeploymentError):
    """`faults`: one a line, `file:line: what is wrong: what to do`."""

    def __init__(self, faults: str) -> None:
        self.faults = faults
        super().__init__(faults)


# The check imports what the layer holds and nothing of the developer's environment: a dependency that is not declared
# is missing here as it would be on Lambda.
PROGRAM = """
import runpy, sys
sys.path[:0] = sys.argv[1:4]
sys.argv = sys.argv[3:]
runpy.run_module("functions.build.task_files", run_name="__main__")
"""


def check_task_files(config: Config) -> None:
    """Raises InvalidTaskFilesError, and MissingWheelError or RequirementsError where the layer cannot be installed."""
    paths = [str(ROOT), str(ROOT / "client"), str(build_local_layer(LOCK_FILE))]
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *paths, str(config.worker_timeout_seconds)]
    # A client that is made when a file is imported finds a region, as on Lambda, and nobody's credentials.
    environment = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    environment |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    try:
        ran = subprocess.run(  # noqa: S603 - our own arguments
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
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
