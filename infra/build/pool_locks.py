"""Locks of pools: `images.txt` is resolved together with what Taskyard's functions need, into `images.lock` beside it.

The lock belongs to the user, who commits it. It is written anew only when its inputs changed: the requirements (with
the files that they include), the requirements of Taskyard's functions, or the platforms. Versions that are locked stay
while the requirements allow them; at first, they are those of the functions' own lock.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import DeploymentError
from .assets import file_lock, report
from .locations import BUILD, LOCK_FILE
from .requirements import (
    ALL_LAMBDA_PLATFORMS,
    OLDEST_PYTHON,
    WHEELS_ONLY,
    MissingWheelError,
    Platform,
    RequirementsError,
    check_installable,
    compile_lock,
    universal,
)

BASE_REQUIREMENTS = LOCK_FILE.with_suffix(".in")
INPUTS_COMMENT = "# taskyard-inputs: sha256:"
PLATFORM_COMMENT = "# taskyard-platform: "
_ALL_SERVICES_COMMENT = "# taskyard-services: all"
_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)")
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
# A pool whose own requirements name one of these calls services that Taskyard does not.
_AWS_PACKAGES = frozenset({"boto3", "botocore"})


class PoolRequirementsError(DeploymentError):
    """The requirements of a pool cannot be locked or installed."""


@dataclass(frozen=True)
class Requirement:
    """`name`: normalized, as package indexes compare names."""

    name: str
    file: Path
    line: int


def lock_path(requirements: Path) -> Path:
    return requirements.with_suffix(".lock")


def is_pool_lock(lock: bytes) -> bool:
    return INPUTS_COMMENT.encode() in lock


def keeps_all_services(lock: bytes) -> bool:
    """Whether the layer of the lock describes all AWS services, not only those that Taskyard calls."""
    return _ALL_SERVICES_COMMENT.encode() in lock


def lock_requirements(requirements: Path, platforms: Sequence[Platform]) -> Path:
    """The lock of a file of requirements, up to date. `platforms`: all of them must have wheels.

    Raises PoolRequirementsError. Reaches the package registry when it is not up to date.
    """
    lock = lock_path(requirements)
    if lock == requirements:
        raise PoolRequirementsError(
            f"{display_path(requirements)}: its lock would have the same name: rename it to .txt"
        )
    inputs = INPUTS_COMMENT + inputs_digest(requirements)
    with file_lock(BUILD / ".pool-locks"):
        comments = _comments(lock)
        # While the inputs are the same, the lock also stays good for another stack that uses the file.
        others = _platforms(comments) if inputs in comments else []
        if others and set(platforms) <= set(others):
            return lock
        everywhere = list(dict.fromkeys([*platforms, *others]))
        text = _resolve(requirements, lock, everywhere)
        named = {each.name for each in named_requirements(requirements)}
        header = [
            f"# The packages of {requirements.name} and of Taskyard's functions. Written by synthesis; commit it.",
            inputs,
            *sorted(PLATFORM_COMMENT + each.label for each in everywhere),
            *([_ALL_SERVICES_COMMENT] if named & _AWS_PACKAGES else []),
        ]
        _write("\n".join(header) + "\n" + text, lock)
        # Not before: what is wrong with the requirements is the first line.
        report(f"locked {display_path(requirements)} in {display_path(lock)}: commit it")
    return lock


def _comments(lock: Path) -> list[str]:
    """What the lock was made of."""
    return [line for line in lock.read_text().splitlines() if line.startswith("#")] if lock.exists() else []


def _platforms(comments: Sequence[str]) -> list[Platform]:
    """Those that the lock has wheels for. Raises nothing for what a person wrote there."""
    known = {platform.label: platform for platform in ALL_LAMBDA_PLATFORMS}
    labels = [line.removeprefix(PLATFORM_COMMENT) for line in comments if line.startswith(PLATFORM_COMMENT)]
    return [known[label] for label in labels if label in known]


def inputs_digest(requirements: Path) -> str:
    """64 hex digits. Raises PoolRequirementsError when an included file is missing."""
    total = hashlib.sha256()
    for file in (BASE_REQUIREMENTS, LOCK_FILE, *requirement_files(requirements)):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _resolve(requirements: Path, lock: Path, platforms: Sequence[Platform]) -> str:
    sources = [str(BASE_REQUIREMENTS.resolve()), requirements.name]
    folder = requirements.resolve().parent
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "pool.txt"
        shutil.copy(lock if lock.exists() else LOCK_FILE, output)
        try:
            # Each keeps what the one before chose, where it can.
            for platform in platforms:
                compile_lock(sources, output, platform, *platform.options, *WHEELS_ONLY, cwd=folder)
            _compile_universal(sources, output, folder)
            for platform in platforms:
                check_installable(output, platform)
        except RequirementsError as error:
            raise requirements_fault(requirements, error) from None
        return output.read_text()


def _compile_universal(sources: Sequence[str], output: Path, folder: Path) -> None:
    """For every Python that can run the project; for this one and newer, where a package leaves older ones out."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        _compile_from(OLDEST_PYTHON, sources, output, folder)
    except RequirementsError:
        if here == OLDEST_PYTHON:
            raise
        _compile_from(here, sources, output, folder)


def _compile_from(python: str, sources: Sequence[str], output: Path, folder: Path) -> None:
    platform = Platform(label=f"Python {python} and newer")
    compile_lock(sources, output, platform, *universal(python), *WHEELS_ONLY, cwd=folder)


def _write(text: str, lock: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=lock.parent, prefix=".tmp-", suffix=".lock")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).chmod(0o644)
    os.replace(name, lock)


def requirement_files(requirements: Path) -> list[Path]:
    """The file and those that it includes, each once. Raises PoolRequirementsError when one is missing."""
    files: list[Path] = []
    pending = [(requirements, "")]
    while pending:
        file, origin = pending.pop(0)
        if not file.is_file():
            place = origin or f"{display_path(file)}"
            raise PoolRequirementsError(
                f"{place}: there is no file {display_path(file)}: create it, or correct its name"
            )
        if file.resolve() in [each.resolve() for each in files]:
            continue
        files.append(file)
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if included := _INCLUDE.match(line):
                pending.append((file.parent / included[1], f"{display_path(file)}:{number}"))
    return files


def names_packages(requirements: Path) -> bool:
    """Whether a file or one that it includes has a line that is neither a comment nor an option."""
    lines = (line.strip() for file in requirement_files(requirements) for line in file.read_text().splitlines())
    return any((line and not line.startswith(("#", "-"))) or line.startswith(("-e", "--editable")) for line in lines)


def named_requirements(requirements: Path) -> Iterator[Requirement]:
    for file in requirement_files(requirements):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if name := _NAME.match(line):
                yield Requirement(normalize_name(name[1]), file, number)


def normalize_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_fault(requirements: Path, error: RequirementsError) -> PoolRequirementsError:
    """The same fault, told of the user's file: at the line that names the package, where one does."""
    if not isinstance(error, MissingWheelError):
        summary = str(error).partition("\n")[0].removesuffix(":")
        return PoolRequirementsError(
            f"{display_path(requirements)}: {summary}, together with those of Taskyard's functions: change what uv "
            f"names below\n{error.detail}"
        )
    line = next((each for each in named_requirements(requirements) if each.name == normalize_name(error.package)), None)
    place = f"{display_path(line.file)}:{line.line}" if line else display_path(requirements)
    needed = "" if line else ", which another package needs,"
    return PoolRequirementsError(
        f"{place}: {error.package}{needed} has no wheel for {error.platform.label}: pin a version that has one, or "
        f"remove it\n{error.detail}"
    )


def display_path(path: Path) -> str:
    """A path as a person in the current folder writes it."""
    absolute = path.resolve()
    here = Path.cwd().resolve()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(absolute)
