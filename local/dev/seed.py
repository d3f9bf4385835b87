"""The user's seed.py: `seed(session)` fills buckets, secrets and tables when the system has started."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path
from typing import Any

import boto3

from local.system import LocalSystem
from local.template.intrinsics import REGION


class SeedFailed(Exception):
    """seed.py raised, or has no function `seed`. The message begins with file and line."""


class LocalSession(boto3.Session):  # type: ignore[misc]
    """A session whose clients and resources are of the local AWS."""

    def __init__(self, system: LocalSystem) -> None:
        super().__init__(
            aws_access_key_id=system.admin.access_key, aws_secret_access_key=system.admin.secret, region_name=REGION
        )
        self._endpoint = system.endpoint

    def client(self, *args: Any, **options: Any) -> Any:
        options["endpoint_url"] = options.get("endpoint_url") or self._endpoint
        return super().client(*args, **options)


def run_seed(file: Path, system: LocalSystem) -> bool:
    """Whether there is such a file. Raises SeedFailed."""
    if not file.exists():
        return False
    try:
        seed = runpy.run_path(str(file)).get("seed")
        if not callable(seed):
            raise SeedFailed(f"{file}:1: it has no function seed(session)")
        seed(LocalSession(system))
    except SeedFailed:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [1])[-1]
        raise SeedFailed(f"{file}:{line}: {type(error).__name__}: {error}") from error
    return True
