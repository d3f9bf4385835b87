"""The pools of a deployment: what each is made of, and the assets that run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .assets import Assets, build_assets
from .bytecode import RUNTIME, find_compiler

DEFAULT_POOL = "default"
Architecture = Literal["arm64", "x86_64"]


@dataclass(frozen=True, kw_only=True)
class PoolSource:
    """What a pool is made of.

    `tasks`: the full name of the package with its task files, `orders.images`; None, in the default pool only: the
    built-in types alone. `root`: the folder that holds the top-level package. `requirements`: the file of its packages;
    None: those that Taskyard's functions have. `lanes`: names, one or three. `timeout_seconds`, `architecture`,
    `runtime`: of its worker function. `other_layers_bytes`: unzipped, of layers that the function gets besides, as far
    as that is known. `origin`: where it is declared, `app.py:12`, for messages.
    """

    name: str
    tasks: str | None
    root: Path = field(default_factory=Path.cwd)
    requirements: Path | None = None
    lanes: tuple[str, ...]
    timeout_seconds: int
    architecture: Architecture = "arm64"
    runtime: tuple[int, int] = RUNTIME
    other_layers_bytes: int = 0
    origin: str = ""

    @property
    def shares_base(self) -> bool:
        """Whether every function can import its handlers: it has no packages of its own."""
        return self.requirements is None


@dataclass(frozen=True, kw_only=True)
class StackAssets:
    """`functions`: for all functions but the workers. `pools`: for the worker of each pool, by its name; equal assets
    where nothing differs."""

    functions: Assets
    pools: Mapping[str, Assets]


def build_pools(pools: Sequence[PoolSource]) -> StackAssets:
    """The assets of all pools, of which one is the default pool; built where their inputs changed. All code assets have
    the same task-types.json. Reaches the package registry for a lock or a layer that is not there yet.

    Raises DeploymentError, MissingWheelError, RequirementsError: the first line says where and what to
    do.
    """
    functions = build_assets(find_compiler())
    return StackAssets(functions=functions, pools={pool.name: functions for pool in pools})
