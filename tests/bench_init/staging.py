"""The deployed code and layer, made runnable here.

The layer's wheels are arm64's and cannot run on this machine's processor, so the same file_lock versions are installed
for it, pruned and compiled by the same functions (infra/build/layers.py). Beside it stands boto3 as PyPI has it,
compiled too: the baseline. Both below `.build/bench-init/<digest>/`, made once per lock file, rules and interpreter.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app import CONFIGS
from infra.build.assets import Assets, file_lock
from infra.build.bytecode import RUNTIME, Compiler, compile_tree, find_compiler
from infra.build.layers import layer_digest, prune
from infra.build.locations import BUILD, LOCK_FILE
from infra.build.pools import build_pools, default_pool
from infra.build.requirements import Platform, install


@dataclass(frozen=True, kw_only=True)
class Staged:
    """`python` runs `code` with `layer`, or the baseline with `stock`. `assets`: what would be deployed."""

    python: Compiler
    code: Path
    layer: Path
    stock: Path
    assets: Assets

    @property
    def is_runtime(self) -> bool:
        return self.python.version.startswith(f"{RUNTIME[0]}.{RUNTIME[1]}.")


def stage() -> Staged:
    """Reaches the package registry once per lock file, unless uv has the wheels."""
    compiler = find_compiler()
    config = CONFIGS["dev"]
    assets = build_pools([default_pool(timeout_seconds=config.worker_timeout_seconds)]).functions
    version = ".".join(map(str, sys.version_info[:3]))
    python = compiler or Compiler(executable=sys.executable, version=version)
    with file_lock(BUILD / ".bench-init.lock"):
        home = BUILD / "bench-init" / f"{layer_digest(LOCK_FILE.read_bytes(), python)[:16]}-{python.version}"
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=".tmp-", dir=home.parent))
            for name in ("layer", "stock"):
                install(LOCK_FILE, made / name, Platform(label=f"Python {python.version}"), python=python.executable)
            prune(made / "layer")
            for name in ("layer", "stock"):
                compile_tree(python, made / name, deployed_at=str(home / name))
            made.rename(home)
        code = assets.code.path
        if compiler is None:
            # No bytecode of its own: a cold start with warm caches is what is compared.
            code = home / f"code-{assets.code.hash[:16]}"
            if not code.exists():
                shutil.copytree(assets.code.path, code)
                compile_tree(python, code, deployed_at=str(code))
    return Staged(python=python, code=code, layer=home / "layer", stock=home / "stock", assets=assets)


def size(folder: Path) -> int:
    """Bytes of all files, as Lambda counts them unpacked."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
