"""Write what is delivered as CycloneDX JSON, with cyclonedx-py: `functions.cdx.json`, the packages in the layer of the
functions, and `wheel.cdx.json`, the wheel's dependencies at the versions with which it is tested. Run by `make sbom`.

It needs no network: the versions and hashes are those of the locks. The same locks give the same files.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
FOLDER = ROOT / ".build" / "sbom"
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==.*(?:(?<=\\)\n.*)*", re.MULTILINE)


def entries(lock: str) -> dict[str, list[str]]:
    """Canonical name → its entries with their hashes: several where the version depends on the Python."""
    found: dict[str, list[str]] = {}
    for entry in ENTRY.finditer(lock):
        found.setdefault(str(canonicalize_name(entry[1])), []).append(entry[0])
    return found


def closure(requirements: list[str]) -> set[str]:
    """Canonical names of what the requirements need, all the way, as installed here."""
    names: set[str] = set()
    pending = [(Requirement(each), frozenset[str]()) for each in requirements]
    done: set[tuple[str, frozenset[str]]] = set()
    while pending:
        requirement, extras_of_parent = pending.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras_of_parent or {""}):
            continue
        name, extras = str(canonicalize_name(requirement.name)), frozenset(requirement.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        try:
            children = requires(name) or []
        except PackageNotFoundError:
            continue  # For another platform: it is not installed here.
        names.add(name)
        pending += [(Requirement(each), extras) for each in children]
    return names


def wheel_lock() -> str:
    """The entries of dev.txt that the wheel's dependencies need, with those of all its extras but `dev`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    required = [*project["dependencies"], *(each for name in sorted(extras) if name != "dev" for each in extras[name])]
    locked = entries((REQUIREMENTS / "dev.txt").read_text())
    names = sorted(closure(required))
    return "\n".join(entry for name in names for entry in locked[name]) + "\n"


def write(name: str, lock: str, *options: str) -> Path:
    path = FOLDER / f"{name}.cdx.json"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "-", *options]
    command += ["--output-reproducible", "--of", "JSON", "--sv", "1.6", "-o", str(path)]
    subprocess.run(command, input=lock, text=True, check=True, cwd=ROOT)
    document = json.loads(path.read_text())
    if "component" in document.get("metadata", {}):
        # cyclonedx-py knows no version that the build reads from the code.
        document["metadata"]["component"]["version"] = version("taskyard")
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in (
        write("functions", (REQUIREMENTS / "functions.txt").read_text()),
        write("wheel", wheel_lock(), "--pyproject", "pyproject.toml", "--mc-type", "library"),
    ):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
