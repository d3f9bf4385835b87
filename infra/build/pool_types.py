"""The task types of a pool: its package is imported once, checked and listed, in a process that has its packages.

The process sees the code and the packages of the pool, and nothing of the developer's environment: what is not declared
is missing as it would be on Lambda. The result is kept by the digest of all that decides it, below `.build/`:

    .build/task-types/<digest>/pool.json  (functions/build/pool.py)
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import DeploymentError
from .assets import RULES, build_directory, digest_of, write_files
from .layer_python import TIMEOUT_SECONDS, run_module
from .layers import LAYER_LOCK

_FILE = "pool.json"


class InvalidTaskFilesError(DeploymentError):
    """`faults`: one a line, `file:line: what is wrong: what to do`."""

    def __init__(self, faults: str) -> None:
        self.faults = faults
        super().__init__(faults)


@dataclass(frozen=True, kw_only=True)
class PoolTypes:
    """`entry`: of the pool, in `pools` of task-types.json. `types`: of its task types there. `places`: `file:line` of
    each name that a type of the pool has."""

    name: str
    entry: Mapping[str, Any]
    types: Sequence[Mapping[str, Any]]
    places: Mapping[str, str]


def list_pool_types(
    description: Mapping[str, Any], sources: Mapping[str, bytes], *, lock: bytes, local_layer: Path, subject: str
) -> PoolTypes:
    """`description`: as functions/build/pool.py takes it. `sources`: of the code, by path in the asset. `lock`: of its
    packages, which are installed for this machine in `local_layer`. `subject`: how the first line begins when no file
    can be named. Called under the lock of `.build`. Raises InvalidTaskFilesError.
    """
    document = json.dumps(description, sort_keys=True)

    def fill(stage: Path) -> None:
        code = stage / "code"
        write_files(sources, code)
        result = stage / _FILE
        _run(document, result, paths=(code, local_layer), subject=subject)
        if faults := json.loads(result.read_text())["faults"]:
            raise InvalidTaskFilesError("\n".join(faults))
        shutil.rmtree(code)

    digest = digest_of({**sources, LAYER_LOCK: lock}, salt=("task-types", RULES, sys.version, document))
    directory = build_directory("task-types", digest, fill=fill, quiet=True).path
    result = json.loads((directory / _FILE).read_text())
    name = description["name"]
    # Its `pools` also has the default pool, as every registry does: of a pool, only its own entry counts.
    return PoolTypes(
        name=name,
        entry=result["document"]["pools"][name],
        types=result["document"]["task_types"],
        places=result["places"],
    )


def _run(document: str, result: Path, *, paths: Sequence[Path], subject: str) -> None:
    remedy = "importing a task file must do nothing but define"
    try:
        ran = run_module("functions.build.pool", document, str(result), paths=paths)
    except subprocess.TimeoutExpired:
        raise InvalidTaskFilesError(
            f"{subject}: importing the task files takes longer than {TIMEOUT_SECONDS} s: {remedy}"
        ) from None
    if ran.returncode or not result.exists():
        last = ran.stderr.strip().rpartition("\n")[2] or "without a word"
        raise InvalidTaskFilesError(
            f"{subject}: importing the task files ends the process ({ran.returncode}): {last}: {remedy}\n{ran.stderr}"
        )


def merge(pools: Sequence[PoolTypes]) -> bytes:
    """task-types.json of all pools. Raises InvalidTaskFilesError for a name that two pools have."""
    faults = []
    first: dict[str, tuple[str, str]] = {}
    for pool in pools:
        for name, place in sorted(pool.places.items(), key=lambda each: each[1]):
            other, earlier = first.setdefault(name, (pool.name, place))
            if other != pool.name:
                faults.append(
                    f"{place}: the name {name!r} of the pool {pool.name} is taken by {earlier} of the pool {other}: "
                    "rename one of the two"
                )
    if faults:
        raise InvalidTaskFilesError("\n".join(faults))
    document = {
        "pools": {pool.name: pool.entry for pool in sorted(pools, key=lambda each: each.name)},
        "task_types": sorted((each for pool in pools for each in pool.types), key=lambda each: str(each["name"])),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()
