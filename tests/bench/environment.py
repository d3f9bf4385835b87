"""The peers' environment: `.build/bench-venv`, from requirements.txt alone, made anew when that has changed.

python -m tests.bench.environment      (standard library only)
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("requirements.txt")
VENV = PROJECT / ".build" / "bench-venv"
STAMP = VENV / ".installed"


class NotInstalled(Exception):
    """What the installer said."""


def install() -> None:
    """Raises NotInstalled."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode() + str(PROJECT).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    print("setting up .build/bench-venv for the peers (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    python = VENV / "bin" / "python"
    uv = PROJECT / ".venv" / "bin" / "uv"
    commands = (
        [sys.executable, "-m", "venv", str(VENV)],
        [str(uv), "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(LOCK)],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled((done.stderr or done.stdout).strip()[-500:])
    STAMP.write_text(digest)


if __name__ == "__main__":
    try:
        install()
    except NotInstalled as failed:
        sys.exit(str(failed))
