"""The build hook that adds to the wheel what is not below client/taskyard.

    taskyard/cdk/                          infra/: the construct
    taskyard/_runtime/functions/           what is deployed
    taskyard/_runtime/client/taskyard/     of the client, what is deployed with it: the handler API
    taskyard/_runtime/local/               the local system, a process of its own
    taskyard/_runtime/infra/               `infra` as the local system imports it: the modules of taskyard.cdk
    taskyard/_runtime/requirements/        the lock of the functions, and what it is locked from

`_runtime` is laid out as the repository is, so the build finds everything at the same place below one folder
(infra/build/locations.py). An editable install has none of this: there, the repository is that folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

RUNTIME = "taskyard/_runtime"
# Folder or file of the repository → its place in the wheel.
CONTENTS = {
    "infra": "taskyard/cdk",
    "functions": f"{RUNTIME}/functions",
    "client/taskyard/__init__.py": f"{RUNTIME}/client/taskyard/__init__.py",
    "client/taskyard/py.typed": f"{RUNTIME}/client/taskyard/py.typed",
    "client/taskyard/tasks": f"{RUNTIME}/client/taskyard/tasks",
    "local": f"{RUNTIME}/local",
    ".ci/wheel_contents/infra_of_runtime.py": f"{RUNTIME}/infra/__init__.py",
    "requirements/functions.in": f"{RUNTIME}/requirements/functions.in",
    "requirements/functions.txt": f"{RUNTIME}/requirements/functions.txt",
}
# It runs the requests of events/, which only the repository has.
LEFT_OUT = ("local/demo/",)


def wheel_files(root: Path) -> Iterator[tuple[Path, str]]:
    """File of the repository and its place in the wheel; caches and hidden files are left out."""
    for source, place in CONTENTS.items():
        path = root / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            name = file.relative_to(root).as_posix()
            parts = file.relative_to(path.parent).parts
            if not file.is_file() or "__pycache__" in parts or any(part.startswith(".") for part in parts):
                continue
            if not name.startswith(LEFT_OUT):
                yield file, place + name.removeprefix(source)


class WheelContents(BuildHookInterface[Any]):
    """Adds the files from a copy: hatch puts a file into one place only, and the handler API has two."""

    _copy: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version`: of the build, `standard` or `editable`."""
        if version != "standard" or self.target_name != "wheel":
            return
        self._copy = Path(tempfile.mkdtemp(prefix="taskyard-wheel-"))
        for file, place in wheel_files(Path(self.root)):
            copy = self._copy / place
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
            build_data["force_include"][str(copy)] = place

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._copy is not None:
            shutil.rmtree(self._copy)
