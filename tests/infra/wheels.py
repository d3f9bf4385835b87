"""Wheels made by hand, so that locking and installing can be tested without a package registry."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from infra.build.requirements import FOLDER


def wheel(folder: Path, name: str, tag: str, *, version: str = "1.0", requires: str = "") -> str:
    """Write a wheel of one module to `folder`; the line of a lock that pins it. `requires` is one requirement."""
    path = folder / f"{name}-{version}-{tag}.whl"
    information = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = {
        f"{name}.py": f"VERSION = '{version}'\n",
        f"{information}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{information}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in contents.items():
            archive.writestr(member, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def tool_pin(name: str) -> str:
    """The lines of dev.txt that pin a package which the functions do not have: its wheel is there with the tools."""
    pinned = re.search(rf"^{name}==.*\n(?: +--hash=.*\n)+", (FOLDER / "dev.txt").read_text(), re.MULTILINE)
    assert pinned, name
    return pinned[0]


def use_only(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have uv take packages from the folder `wheels` alone, without what its cache knows of others by the same name."""
    wheels.mkdir()
    (wheels / "uv.toml").write_text(f'no-index = true\nfind-links = ["{wheels}"]\n')
    monkeypatch.setenv("UV_CONFIG_FILE", str(wheels / "uv.toml"))
    monkeypatch.setenv("UV_CACHE_DIR", str(wheels / "cache"))
