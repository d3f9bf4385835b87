"""The source files of a user's app, what changed in them, and where they are in a code asset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_LEFT_OUT = {"__pycache__", "build", "cdk.out", "dist", "node_modules", "venv"}
_KINDS = (".py", ".json", ".txt", ".in", ".toml", ".yaml", ".yml", ".lock", ".html", ".j2", ".sql", ".csv")
# Folders that a project may keep its packages in: in a code asset the packages are at the top.
_SOURCE_FOLDERS = ("src", "client")

Stamps = Mapping[Path, tuple[int, int]]


def scan(folder: Path) -> dict[Path, tuple[int, int]]:
    """Time of the last change (ns) and size of each source file below the folder, without hidden folders and what
    commands make."""
    return {path: (status.st_mtime_ns, status.st_size) for path, status in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # removed in the meantime
    for entry in entries:
        if _is_left_out(entry.name):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            elif entry.name.endswith(_KINDS):
                yield Path(entry.path), entry.stat()
        except OSError:
            continue


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_OUT


def find_changes(before: Stamps, after: Stamps) -> set[Path]:
    """Files that are new, gone, or have another time or size."""
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def files_of_asset(folder: Path, root: Path, changes: Iterable[Path]) -> dict[str, Path]:
    """Of changed files of the app, those of the code asset `root`: path in the asset → file. A new file belongs to an
    asset that has its folder. An asset may be a folder of the app itself."""
    if root.is_relative_to(folder) and not any(map(_is_left_out, root.relative_to(folder).parts)):
        return {path.relative_to(root).as_posix(): path for path in changes if path.is_relative_to(root)}
    found = {}
    for path in changes:
        parts = path.relative_to(folder).parts
        for start in (0, 1) if parts[0] in _SOURCE_FOLDERS else (0,):
            inside = Path(*parts[start:]) if len(parts) > start else None
            if inside and len(inside.parts) > 1 and ((root / inside).exists() or (root / inside.parent).is_dir()):
                found[inside.as_posix()] = path
                break
    return found
