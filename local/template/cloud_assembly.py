"""The cloud assembly: what `app.py` writes to cdk.out, and where the code of each function lies in it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]


class AssemblyError(Exception):
    """There is no usable cloud assembly."""


@dataclass(frozen=True)
class Assembly:
    """One stack's template, and its assets: object key in the bootstrap bucket → directory or file."""

    stack_name: str
    template: dict[str, Any]
    assets: dict[str, Path]


def synthesize(environment: str) -> None:
    """Run app.py, which does nothing when its sources have not changed."""
    done = subprocess.run(  # noqa: S603 - our own app
        [sys.executable, str(PROJECT / "app.py"), "--env", environment],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2:
        # What is to be run is wrong: a task file, the configuration. Its first line says where.
        raise AssemblyError(done.stderr.strip())
    if done.returncode:
        raise AssemblyError(f"{useful_line(done.stderr)}\n\n{done.stdout}{done.stderr}")


def useful_line(errors: str) -> str:
    """Why a synthesis failed: the line in which app.py says it; else the last one that is not indented, which of a
    traceback is the error. `errors`: what was written to stderr."""
    lines = [line for line in errors.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("synthesis of ")]
    unindented = [line for line in lines if not line[0].isspace()]
    return (said or unindented[-1:] or ["synthesis failed without a word"])[0]


def load(directory: Path, stack_name: str) -> Assembly:
    """Read one stack from a cloud assembly."""
    try:
        template = json.loads((directory / f"{stack_name}.template.json").read_text())
    except FileNotFoundError as error:
        raise AssemblyError(f"{error.filename} is missing: `make synth` writes it") from None
    assets: dict[str, Path] = {}
    manifest = directory / f"{stack_name}.assets.json"
    files = json.loads(manifest.read_text()).get("files", {}) if manifest.exists() else {}
    for asset in files.values():
        for destination in asset["destinations"].values():
            assets[destination["objectKey"]] = (directory / asset["source"]["path"]).resolve()
    return Assembly(stack_name, template, assets)
