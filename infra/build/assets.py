"""Directories to upload, named after the digest of all that decides what is in them, below `.build/`:

    .build/code/<digest>/…   (infra/build/code_assets.py)
    .build/layer/<digest>/…  (infra/build/layers.py)

The digest is also the asset's hash, so the same input is the same asset on every machine. A directory is renamed into
place when it is whole: one that stands under its name is complete, one left by a killed build is a `.tmp-` that a later
build removes. Two builds at once wait for each other on `.build/.lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .bytecode import Compiler, compile_tree
from .locations import BUILD

# Older directories of earlier inputs go after this many seconds: a local system may still be running on a younger one.
KEEP_SECONDS = 86_400
# Raised when a rule of this package changes what a build holds.
RULES = "6"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A directory to upload and the hash that names it."""

    path: Path
    hash: str


@dataclass(frozen=True, kw_only=True)
class Assets:
    """What a function is deployed with. `bytecode`: the version that compiled it, or `none`."""

    code: Asset
    layer: Asset
    bytecode: str


def read_below(folder: Path) -> dict[str, bytes]:
    """Every source file below a folder, by its path from the folder's parent; caches and hidden files are not."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts):
            contents[path.relative_to(folder.parent).as_posix()] = path.read_bytes()
    return contents


def write_files(files: Mapping[str, bytes], target: Path) -> None:
    for name, content in files.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)


def digest_of(contents: Mapping[str, bytes], *, salt: Iterable[str]) -> str:
    """One digest over names and contents, and over what else decides (`salt`). 64 hex digits."""
    total = hashlib.sha256()
    for part in salt:
        total.update(part.encode() + b"\0")
    for name, content in contents.items():
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()


def report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Alone on this machine, for as long as the block; the kernel releases it should the process die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def bytes_below(folder: Path) -> int:
    """Of all files, as Lambda counts them unpacked."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build_directory(
    kind: str,
    digest: str,
    compiler: Compiler | None = None,
    *,
    fill: Callable[[Path], None],
    deployed_at: str = "",
    quiet: bool = False,
) -> Asset:
    """The directory of that digest, made by `fill` when it is not there. Called under the lock of `.build`."""
    home = BUILD / kind
    final = home / digest[:16]
    if not final.exists():
        home.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        if not quiet:
            report(f"building the {kind} ...")
        stage = Path(tempfile.mkdtemp(prefix=".tmp-", dir=home))
        stage.chmod(0o755)
        try:
            fill(stage)
            if compiler:
                compile_tree(compiler, stage, deployed_at=deployed_at)
            stage.rename(final)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise
        if not quiet:
            report(f"built the {kind} in {time.monotonic() - started:.1f} s")
    os.utime(final)
    for other in home.iterdir():
        if other != final and time.time() - other.stat().st_mtime > KEEP_SECONDS:
            remove(other)
    return Asset(path=final, hash=digest)
