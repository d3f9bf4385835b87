"""The lock files of `requirements/`: how `make lock` writes them, and how what they lock is installed.

`functions.txt` is one lock for two places. Lambda decides its versions: they are resolved for Python 3.13 on arm64,
from wheels alone. The same versions are then locked for every Python that runs the project and every platform, with
markers where an older Python needs another version or one package more. So the layer and the functions of the local
system install from one file. `dev.txt` holds the same versions beside the tools.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from .bytecode import RUNTIME
from .locations import LOCK_FILE

FOLDER = LOCK_FILE.parent
OLDEST_PYTHON = "3.11"  # pyproject.toml: requires-python
WHEELS_ONLY = ("--only-binary", ":all:")
# uv names the package in its explanation, in one of these forms.
_NO_WHEEL = (
    re.compile(r"\b(?:all versions of )?([\w.-]+?)(?:==\S+)? (?:has|have) no (?:usable )?wheels"),
    re.compile(r"(?:Wheels are (?:required|available)|found wheels) for `([^`]+)`"),
)


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Whose wheels. `options` are uv's; without any, uv takes the interpreter that it is given."""

    label: str
    options: tuple[str, ...] = ()


# Amazon Linux 2023 has glibc 2.34. Of the tags that it accepts, this is the newest that projects commonly build.
_TAG = "manylinux_2_28"
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}


def lambda_platform(runtime: tuple[int, int], architecture: str) -> Platform:
    """Of a function's Python and processor. `architecture`: as Lambda names it, arm64 or x86_64."""
    python = f"{runtime[0]}.{runtime[1]}"
    return Platform(
        label=f"Lambda (Python {python}, {architecture}, {_TAG})",
        options=("--python-version", python, "--python-platform", f"{_MACHINES[architecture]}-{_TAG}"),
    )


LAMBDA = lambda_platform(RUNTIME, "arm64")
# Those on Amazon Linux 2023: older ones have an older glibc than the wheels may ask for.
RUNTIMES = ((3, 12), (3, 13), (3, 14))
ALL_LAMBDA_PLATFORMS = tuple(lambda_platform(runtime, machine) for runtime in RUNTIMES for machine in _MACHINES)
THIS_MACHINE = Platform(
    label=f"this machine (Python {sys.version_info.major}.{sys.version_info.minor}, {sysconfig.get_platform()})"
)


def universal(python: str = OLDEST_PYTHON) -> tuple[str, ...]:
    """Options of uv: for every platform, and every Python from that one on."""
    return ("--universal", "--python-version", python)


class RequirementsError(Exception):
    """uv could not do it. `detail` is what uv said."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(f"{summary}\n{detail}".rstrip())
        self.detail = detail


class MissingWheelError(RequirementsError):
    """A package has no wheel for a platform, and nothing is built from source."""

    def __init__(self, package: str, platform: Platform, detail: str) -> None:
        advice = f"pin a version that has one in requirements/functions.in and run `make lock`, or remove {package}"
        super().__init__(f"{package} has no wheel for {platform.label}: {advice}", detail)
        self.package = package
        self.platform = platform


def install(lock: Path, target: Path, platform: Platform, *, python: str = sys.executable) -> None:
    """Install what `lock` names into `target`, hashes checked. Reaches the package registry unless uv has the wheels.

    Raises MissingWheelError, RequirementsError.
    """
    _install(lock, target, platform, "--python", python, "--link-mode", "copy", "--no-compile-bytecode")


def _install(lock: Path, target: Path, platform: Platform, *options: str) -> None:
    arguments = ["install", "--require-hashes", "--target", str(target), *platform.options, *WHEELS_ONLY]
    _uv([*arguments, *options, "-r", str(lock)], platform)


def check_installable(lock: Path, platform: Platform) -> None:
    """Raises MissingWheelError, RequirementsError where `install` would."""
    with tempfile.TemporaryDirectory() as target:
        _install(lock, Path(target), platform, "--python", sys.executable, "--dry-run")


def _uv(arguments: list[str], platform: Platform, *, cwd: Path | None = None) -> None:
    # A Python of the target's version is not needed: nothing is built and nothing is run.
    command = [find_uv_bin(), "pip", *arguments, "--quiet", "--no-python-downloads"]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if ran.returncode == 0:
        return
    detail = ran.stderr.strip()
    # uv breaks long lines of its explanation.
    text = re.sub(r"\s+", " ", detail)
    for pattern in _NO_WHEEL:
        if match := pattern.search(text):
            raise MissingWheelError(match[1], platform, detail)
    raise RequirementsError(f"the requirements do not resolve for {platform.label}:", detail)


def lock(folder: Path) -> None:
    """Write functions.txt and dev.txt of `folder` anew from functions.in and dev.in: both, or neither.

    What is locked stays at its version while the .in files allow it. Raises MissingWheelError, RequirementsError.
    """
    with tempfile.TemporaryDirectory() as directory:
        stage = Path(directory)
        for path in folder.iterdir():
            if path.suffix in (".in", ".txt"):
                shutil.copy(path, stage)
        everywhere = Platform(label=f"Python {OLDEST_PYTHON} and newer")
        functions, tools = stage / "functions.txt", stage / "dev.txt"
        # The first writes versions that Lambda has wheels of; the second, which finds them in its output, keeps them.
        compile_lock(["functions.in"], functions, LAMBDA, *LAMBDA.options, *WHEELS_ONLY, cwd=stage)
        compile_lock(["functions.in"], functions, everywhere, *universal(), *WHEELS_ONLY, cwd=stage)
        check_installable(functions, LAMBDA)
        compile_lock(["dev.in"], tools, everywhere, *universal(), "-c", "functions.txt", cwd=stage)
        for path in (functions, tools):
            shutil.copy(path, folder)


def compile_lock(sources: Sequence[str], output: Path, platform: Platform, *options: str, cwd: Path) -> None:
    """Resolve the requirement files `sources`, named as from `cwd`, into `output`. What stands in `output` before keeps
    its version where that is possible. Raises MissingWheelError, RequirementsError."""
    written = ["--generate-hashes", "--no-annotate", "--no-header", "-o", str(output)]
    _uv(["compile", "--python", sys.executable, *options, *written, *sources], platform, cwd=cwd)


def main(folder: Path = FOLDER) -> int:
    try:
        lock(folder)
    except RequirementsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
