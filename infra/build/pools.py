"""The pools of a deployment: what each is made of, and the assets that run it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..config import DeploymentError
from .assets import Asset, Assets, bytes_below, file_lock, report
from .bytecode import RUNTIME, Compiler, find_compiler, version_of
from .code_assets import build_code, function_sources
from .layers import build_layer, build_local_layer
from .locations import BUILD, LOCK_FILE
from .pool_locks import display_path, lock_requirements, names_packages, requirement_files, requirements_fault
from .pool_packages import hidden_packages, modules_beside, package_sources, top_level
from .pool_types import InvalidTaskFilesError, PoolTypes, list_pool_types, merge
from .requirements import LAMBDA, RUNTIMES, Platform, RequirementsError, lambda_platform

DEFAULT_POOL = "default"
LANES = ("high", "normal", "low")
"""Of the default pool."""
BUILT_IN_TASKS = "functions.tasks"
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Of code and all layers of a function: Lambda's limit."""
Architecture = Literal["arm64", "x86_64"]
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class PoolError(DeploymentError):
    """What pools are made of is wrong."""


@dataclass(frozen=True, kw_only=True)
class PoolSource:
    """What a pool is made of.

    `tasks`: the full name of the package with its task files, `orders.images`; None, in the default pool only: the
    built-in types alone. `root`: the folder that holds the top-level package. `requirements`: the file of its
    packages; None, or a file that names none: those that Taskyard's functions have. `lanes`: names, one or three.
    `timeout_seconds`, `architecture`, `runtime`: of its worker function. `other_layers_bytes`: unzipped, of layers
    that the function gets besides, as far as that is known. `origin`: where it is declared, `app.py:12`, for
    messages.
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
        return self.requirements is None or (self.requirements.is_file() and not names_packages(self.requirements))

    @property
    def platform(self) -> Platform:
        return lambda_platform(self.runtime, self.architecture)

    @property
    def place(self) -> str:
        """How a message begins that has no better place."""
        return f"{self.origin}: pool {self.name}" if self.origin else f"pool {self.name}"


@dataclass(frozen=True, kw_only=True)
class StackAssets:
    """`functions`: for all functions but the workers. `pools`: for the worker of each pool, by its name; equal assets
    where nothing differs."""

    functions: Assets
    pools: Mapping[str, Assets]


def default_pool(*, timeout_seconds: int) -> PoolSource:
    """The default pool with the built-in task types alone."""
    return PoolSource(name=DEFAULT_POOL, tasks=None, lanes=LANES, timeout_seconds=timeout_seconds)


def build_pools(pools: Sequence[PoolSource]) -> StackAssets:
    """The assets of all pools, of which one is the default pool; built where their inputs changed. All code assets have
    the same task-types.json. Reaches the package registry for a lock or a layer that is not there yet.

    Raises DeploymentError, MissingWheelError, RequirementsError: the first line says where and what to do.
    """
    for fault in pool_faults(pools):
        raise PoolError(fault)
    compilers = {runtime: find_compiler(runtime) for runtime in {RUNTIME, *(pool.runtime for pool in pools)}}
    _warn_without_bytecode(compilers)
    # Read once: the digest is of what is written, also while somebody edits.
    functions = function_sources()
    packages = {pool.name: _package_sources(pool) for pool in pools}
    shared = _shared_sources(pools, packages)
    locks = {pool.name: _lock(pool, pools) for pool in pools}
    # Each takes the lock of `.build` itself.
    local_layers = {pool.name: _local_layer(pool, locks[pool.name]) for pool in pools}
    with file_lock(BUILD / ".lock"):
        task_types = merge(_list_types(pools, functions, packages, locks, local_layers))
        base = build_layer(LOCK_FILE.read_bytes(), compilers[RUNTIME], LAMBDA)
        own = _assets(functions | shared, task_types, base, compilers[RUNTIME])
        assets = {}
        for pool in pools:
            compiler = compilers[pool.runtime]
            layer = _layer(pool, locks[pool.name], compiler)
            assets[pool.name] = _assets(functions | packages[pool.name], task_types, layer, compiler)
    for pool in pools:
        check_size(pool, assets[pool.name])
    return StackAssets(functions=own, pools=assets)


def pool_faults(pools: Sequence[PoolSource]) -> Iterator[str]:
    names = [pool.name for pool in pools]
    if names.count(DEFAULT_POOL) != 1:
        yield f"{names.count(DEFAULT_POOL)} pools are the default pool: there must be one"
    for position, pool in enumerate(pools):
        if pool.name in names[:position]:
            first = pools[names.index(pool.name)]
            also = f" ({first.origin})" if first.origin else ""
            yield f"{pool.place}: another pool has this name{also}: rename one of the two"
        elif pool.name != DEFAULT_POOL and (pool.name in LANES or not _NAME.fullmatch(pool.name)):
            yield (
                f"{pool.place}: {pool.name!r} cannot be the name of a pool: take a lower-case letter, then up to 30 "
                f"lower-case letters, digits or dashes; not {', '.join((DEFAULT_POOL, *LANES))}"
            )
        if pool.tasks is None and pool.name != DEFAULT_POOL:
            yield f"{pool.place}: it has no task types: name their package, tasks='orders.{pool.name}'"
        if pool.runtime not in RUNTIMES:
            known = ", ".join(f"{major}.{minor}" for major, minor in RUNTIMES)
            yield f"{pool.place}: Python {pool.runtime[0]}.{pool.runtime[1]} is not one of {known}: choose one of these"
        twin = next((each for each in pools[:position] if _packages_overlap(each, pool)), None)
        if twin:
            yield f"{pool.place}: the pool {twin.name} has the same package {pool.tasks}: give each its own"


def _packages_overlap(one: PoolSource, other: PoolSource) -> bool:
    return one.tasks is not None and one.tasks == other.tasks and one.root.resolve() == other.root.resolve()


def _warn_without_bytecode(compilers: Mapping[tuple[int, int], Compiler | None]) -> None:
    for runtime in (runtime for runtime, compiler in compilers.items() if compiler is None):
        wanted = f"{runtime[0]}.{runtime[1]}"
        report(
            f"WARNING: NO PYTHON {wanted} ON THIS MACHINE: the assets hold no bytecode, so every cold start compiles\n"
            f"WARNING: all that it imports. Before you deploy, install one (uv python install {wanted}) and run again."
        )


def _package_sources(pool: PoolSource) -> dict[str, bytes]:
    return {} if pool.tasks is None else package_sources(pool.tasks, pool.root, place=pool.place)


def _shared_sources(pools: Sequence[PoolSource], packages: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """The packages that every function can import, since a submit is checked by the model itself. Raises PoolError."""
    shared: dict[str, bytes] = {}
    roots: dict[str, PoolSource] = {}
    for pool in (pool for pool in pools if pool.shares_base and pool.tasks is not None):
        name = top_level(str(pool.tasks))
        other = roots.setdefault(name, pool)
        if other.root.resolve() != pool.root.resolve():
            raise PoolError(
                f"{pool.place}: its package {name} in {display_path(pool.root)} has the name of another, in "
                f"{display_path(other.root)} (pool {other.name}), and functions import both: rename one of the two"
            )
        shared |= packages[pool.name]
    return shared


def _lock(pool: PoolSource, pools: Sequence[PoolSource]) -> Path:
    """The lock of its packages, with wheels for every pool that has the same requirements."""
    if pool.requirements is None:
        return LOCK_FILE
    if not pool.requirements.is_file():
        raise PoolError(
            f"{display_path(pool.requirements)}: there is no such file, which the pool {pool.name} names as its "
            f"requirements{f' ({pool.origin})' if pool.origin else ''}: create it, or correct the name"
        )
    file = pool.requirements.resolve()
    if pool.shares_base:
        return LOCK_FILE
    sharing = [each for each in pools if each.requirements is not None and each.requirements.resolve() == file]
    return lock_requirements(pool.requirements, list(dict.fromkeys(each.platform for each in sharing)))


def _local_layer(pool: PoolSource, lock: Path) -> Path:
    try:
        layer = build_local_layer(lock)
    except RequirementsError as error:
        if pool.requirements is None:
            raise
        raise requirements_fault(pool.requirements, error) from None
    for fault in hidden_packages(str(pool.tasks), layer) if pool.tasks else ():
        raise PoolError(f"{pool.place}: {fault}")
    return layer


def _layer(pool: PoolSource, lock: Path, compiler: Compiler | None) -> Asset:
    try:
        return build_layer(lock.read_bytes(), compiler, pool.platform)
    except RequirementsError as error:
        if pool.requirements is None:
            raise
        raise requirements_fault(pool.requirements, error) from None


def _list_types(
    pools: Sequence[PoolSource],
    functions: Mapping[str, bytes],
    packages: Mapping[str, Mapping[str, bytes]],
    locks: Mapping[str, Path],
    local_layers: Mapping[str, Path],
) -> list[PoolTypes]:
    """All pools are listed before one fails: the message has the faults of all. Raises InvalidTaskFilesError."""
    listed, faults = [], []
    for pool in pools:
        try:
            listed.append(
                list_pool_types(
                    _description(pool, pools),
                    {**functions, **packages[pool.name]},
                    lock=locks[pool.name].read_bytes(),
                    local_layer=local_layers[pool.name],
                    subject=pool.place,
                )
            )
        except InvalidTaskFilesError as error:
            faults.append(error.faults)
    if faults:
        raise InvalidTaskFilesError("\n".join(faults))
    return listed


def _description(pool: PoolSource, pools: Sequence[PoolSource]) -> dict[str, Any]:
    """As functions/build/pool.py takes it."""
    built_in = [BUILT_IN_TASKS] if pool.name == DEFAULT_POOL else []
    own = [] if pool.tasks is None else [pool.tasks]
    others = [each.tasks for each in pools if each is not pool and each.tasks and _below(each, pool)]
    return {
        "name": pool.name,
        "lanes": list(pool.lanes),
        "timeoutSeconds": pool.timeout_seconds,
        "sharesBase": pool.shares_base,
        "packages": built_in + own,
        "excluded": others,
        "folders": {} if pool.tasks is None else {top_level(pool.tasks): display_path(pool.root)},
        "lockRemedy": _lock_remedy(pool),
        "timeoutSetting": _timeout_setting(pool),
        "beside": [] if pool.tasks is None else list(modules_beside(pool.tasks, pool.root)),
    }


def _below(other: PoolSource, pool: PoolSource) -> bool:
    same_root = other.root.resolve() == pool.root.resolve()
    return same_root and str(other.tasks).startswith(f"{pool.tasks}.")


def _lock_remedy(pool: PoolSource) -> str:
    if pool.requirements is not None:
        return f"add its package to {display_path(pool.requirements)}"
    if pool.tasks is None:
        return "add its package to requirements/functions.in and run `make lock`"
    return f"name it in a file of requirements for the pool {pool.name}"


def _timeout_setting(pool: PoolSource) -> str:
    setting = "worker_timeout_seconds" if pool.name == DEFAULT_POOL else f"the time-out of the pool {pool.name}"
    return f"{setting} ({pool.origin})" if pool.origin else setting


def _assets(sources: Mapping[str, bytes], task_types: bytes, layer: Asset, compiler: Compiler | None) -> Assets:
    return Assets(code=build_code(sources, task_types, compiler), layer=layer, bytecode=version_of(compiler))


def check_size(pool: PoolSource, assets: Assets) -> None:
    """Raises PoolError when Lambda would refuse the function for its size."""
    code, layer = bytes_below(assets.code.path), bytes_below(assets.layer.path)
    total = code + layer + pool.other_layers_bytes
    if total <= MAX_UNZIPPED_BYTES:
        return
    sizes = {path.name: bytes_below(path) for path in (assets.layer.path / "python").iterdir() if path.is_dir()}
    largest = sorted(sizes.items(), key=lambda each: -each[1])[:5]
    place = display_path(requirement_files(pool.requirements)[0]) if pool.requirements else pool.place
    raise PoolError(
        f"{place}: the function of the pool {pool.name} has {megabytes(total)} unzipped, {megabytes(code)} of code, "
        f"{megabytes(layer)} of packages and {megabytes(pool.other_layers_bytes)} of other layers; Lambda takes "
        f"{megabytes(MAX_UNZIPPED_BYTES)}: remove packages or data. The largest packages: "
        + ", ".join(f"{name} {megabytes(size)}" for name, size in largest)
    )


def megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"
