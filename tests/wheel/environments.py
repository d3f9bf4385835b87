"""The wheel of this checkout, and virtual environments that it is installed into."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from infra.build.locations import ROOT

LOCK = ROOT / "requirements" / "dev.txt"


class NotInstallable(Exception):
    """uv has not all packages in its cache and reaches no registry; the message is uv's."""


@dataclass(frozen=True)
class VirtualEnvironment:
    """A virtual environment with the wheel and nothing of this checkout."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(
        self, *command: str | Path, cwd: Path, variables: Mapping[str, str] | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """A command of the environment, without anything of the caller's environment but what `variables` holds."""
        program, *arguments = command
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=cwd,
            env=self.variables() | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def variables(self) -> dict[str, str]:
        """HOME is for uv's cache. No TASKYARD_ and no PYTHONPATH: this checkout is not found by accident."""
        return {"PATH": f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())}

    def runtime(self) -> Path:
        """`taskyard/_runtime` of the installed wheel."""
        lines = self.run("python", "-c", "import taskyard; print(taskyard.__path__[0])", cwd=self.folder).stdout
        return Path(lines.strip()) / "_runtime"


def build_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, extra: str = "", python: str = sys.executable) -> VirtualEnvironment:
    """A new virtual environment with the wheel, at the versions of the lock. Raises NotInstallable."""
    environment = VirtualEnvironment(folder)
    _uv("venv", "--offline", "--python", python, str(folder))
    requirement = f"taskyard[{extra}] @ {wheel.as_uri()}" if extra else f"taskyard @ {wheel.as_uri()}"
    command = ["pip", "install", "--python", str(environment.python), "--constraint", str(LOCK), requirement]
    try:
        _uv(*command, "--offline")
    except NotInstallable:
        # uv itself comes from pip in `make setup`, so it is not in uv's cache before the first of these.
        _uv(*command)
    return environment


def _uv(*arguments: str) -> None:
    ran = subprocess.run([find_uv_bin(), *arguments, "--quiet"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotInstallable(ran.stderr.strip())
