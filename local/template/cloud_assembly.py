"""The CDK's cloud assembly in cdk.out: the template, and the assets that it names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SOURCES = Path(__file__).resolve().parents[2]
PROJECT = Path.cwd() if _SOURCES.name == "_runtime" else _SOURCES
"""The folder of the app: has app.py, and gets cdk.out, .build and .local. From the wheel, where this is below
taskyard/_runtime, the folder in which the local system is started."""


class CloudAssemblyError(Exception):
    """The cloud assembly is missing, or cannot be synthesized."""


@dataclass(frozen=True)
class CloudAssembly:
    """One stack's template, and its assets: object key in the bootstrap bucket → directory or file."""

    stack_name: str
    template: dict[str, Any]
    assets: dict[str, Path]


def synthesize(environment: str) -> None:
    """Run app.py, which does nothing when its sources have not changed."""
    completed = subprocess.run(  # noqa: S603 - our own app
        [sys.executable, str(PROJECT / "app.py"), "--env", environment],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode == 2:
        # A task file or the configuration is wrong. The first line names it.
        raise CloudAssemblyError(completed.stderr.strip())
    if completed.returncode:
        raise CloudAssemblyError(f"{error_summary(completed.stderr)}\n\n{completed.stdout}{completed.stderr}")


def error_summary(errors: str) -> str:
    """The one line of `errors`, the stderr of app.py, that says why the synthesis failed. Without such a line the
    last one that is not indented, which is the error of a traceback."""
    lines = [line for line in errors.splitlines() if line.strip()]
    failures = [line for line in lines if line.startswith("synthesis of ")]
    unindented = [line for line in lines if not line[0].isspace()]
    return (failures or unindented[-1:] or ["synthesis failed without a message"])[0]


def load(directory: Path, stack_name: str) -> CloudAssembly:
    """Read one stack from a cloud assembly."""
    try:
        template = json.loads((directory / f"{stack_name}.template.json").read_text())
    except FileNotFoundError as error:
        raise CloudAssemblyError(f"{error.filename} is missing: `make synth` writes it") from None
    assets: dict[str, Path] = {}
    manifest = directory / f"{stack_name}.assets.json"
    files = json.loads(manifest.read_text()).get("files", {}) if manifest.exists() else {}
    for asset in files.values():
        for destination in asset["destinations"].values():
            assets[destination["objectKey"]] = (directory / asset["source"]["path"]).resolve()
    return CloudAssembly(stack_name, template, assets)
