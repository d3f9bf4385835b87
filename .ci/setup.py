"""Make `.venv` match requirements/dev.txt. Run by `make`, with any Python >= 3.11; safe to run twice at once.

The stamp holds the digest of what was installed, so a second call costs one hash and no registry.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP = VENV / ".installed"


def wanted() -> str:
    """The digest of all that decides what the environment holds, its own path included: a venv does not move."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = (LOCK.read_bytes(), repr(project).encode(), str(ROOT).encode(), sys.version.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def installed(digest: str) -> bool:
    return STAMP.exists() and STAMP.read_text() == digest


def requirement(name: str) -> str:
    """The entry of a package in the lock, with its hashes."""
    lines = iter(LOCK.read_text().splitlines())
    entry = [next(line for line in lines if line.startswith(f"{name}=="))]
    while entry[-1].endswith("\\"):
        entry.append(next(lines))
    return "\n".join(entry) + "\n"


def install(digest: str) -> None:
    python = VENV / "bin" / "python"
    quiet = {"check": True, "cwd": ROOT}
    if VENV.exists():
        shutil.rmtree(VENV)
    print("setting up .venv (once) ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], **quiet)
    # All else is installed by uv, which holds it to the hashes of the lock; uv itself by pip, held to the same.
    first = VENV / "uv.txt"
    first.write_text(requirement("uv"))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", first], **quiet)
    uv = [VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", python]
    subprocess.run([*uv, "--require-hashes", "-r", LOCK], **quiet)
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "-e", "."], **quiet)
    STAMP.write_text(digest)


def main() -> int:
    if sys.version_info < (3, 11):
        print("Taskyard needs Python 3.11 or newer; this is " + sys.version.split()[0], file=sys.stderr)
        return 1
    digest = wanted()
    if installed(digest):
        return 0
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed(digest):
            install(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
