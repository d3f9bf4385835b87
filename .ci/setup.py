"""Make `.venv` match requirements/dev.txt. Run by `make`, with any Python >= 3.11; safe to run twice at once.

The stamp holds the digest of the installed inputs, so a second call costs one hash and no network.
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


def environment_digest() -> str:
    """The digest of all that decides the environment's content. Its path is part of it: a venv cannot be moved."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    inputs = (LOCK.read_bytes(), repr(project).encode(), str(ROOT).encode(), sys.version.encode())
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


def is_installed(digest: str) -> bool:
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
    # pip installs uv, and uv all else; both check the hashes of the lock.
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
    digest = environment_digest()
    if is_installed(digest):
        return 0
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(digest):
            install(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
