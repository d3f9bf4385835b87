"""Edited code beside the code that runs: a copy of its asset with the changed files, and a check that it imports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 60.0
# Imports each module and prints where it failed, as JSON: file, line and what; nothing when all can be imported.
_PROGRAM = """
import importlib, json, sys, traceback
root, modules, paths = json.loads(sys.argv[1])
sys.path[:0] = [root, *paths]
for module in modules:
    try:
        importlib.import_module(module)
    except BaseException as error:
        if isinstance(error, SyntaxError) and error.filename:
            place = [error.filename, error.lineno]
        else:
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if frame.filename.startswith(root)]
            place = [own[-1].filename, own[-1].lineno] if own else [module, 0]
        what = error.msg if isinstance(error, SyntaxError) else error
        print("\\n" + json.dumps([*place, f"{type(error).__name__}: {what}"]))
        break
"""


def stage(root: Path, files: Mapping[str, Path], target: Path) -> Path:
    """A copy of the code at `root` with these files, by their path in it; a file that is gone is left out."""
    shutil.copytree(root, target)
    for name, source in files.items():
        copy = target / name
        copy.unlink(missing_ok=True)
        if source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return target


def import_error(
    root: Path, files: Mapping[str, Path], layers: Sequence[Path], environment: Mapping[str, str]
) -> str | None:
    """Why a changed module of the staged code cannot be imported, beginning with its file in the app and the line;
    None when all can. `layers`: their directories for this Python; `environment`: the function's variables."""
    modules = [_module(name) for name, source in files.items() if name.endswith(".py") and source.exists()]
    if not modules:
        return None
    variables = {"PATH": os.environ.get("PATH", os.defpath), "AWS_DEFAULT_REGION": "us-east-1", **environment}
    argument = json.dumps([str(root), sorted(modules), [str(layer) for layer in layers]])
    try:
        ran = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, argument],
            cwd=root,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{', '.join(modules)}: importing it takes more than {TIMEOUT_SECONDS:g} s"
    lines = ran.stdout.strip().splitlines()
    if ran.returncode == 0 and not lines:
        return None
    try:
        file, line, what = json.loads(lines[-1])
    except (ValueError, IndexError):
        return None if ran.returncode == 0 else f"{', '.join(modules)}: {ran.stderr.strip()[-500:]}"
    inside = os.path.relpath(file, root) if file.startswith(str(root)) else file
    return f"{files.get(inside, inside)}:{line}: {what}"


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
