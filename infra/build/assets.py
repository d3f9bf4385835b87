"""The two assets, built without Docker: the code (`functions/`, and `taskyard.tasks`, the handler API) and the layer
(its wheels for Lambda's arm64).

Each is a directory named after the digest of all that decides what is in it, below `.build/`:

    .build/code/<digest>/{functions,taskyard}/… and task-types.json
    .build/layer/<digest>/python/…
    .build/layer/<digest>/requirements.txt

The digest is also the asset's hash, so the same input is the same asset on every machine. The layer holds the lock that
it was installed from: by it, the local system has the same packages, pruned alike, for its own Python, below
`.build/local-layer/`. A directory is renamed into place when it is whole: one that stands under its name is complete,
one left by a killed build is a `.tmp-` that a later build removes. Two builds at once wait for each other on
`.build/.lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bytecode import RUNTIME, Compiler, compile_tree
from .layer_python import run_module
from .locations import BUILD, LOCK_FILE, ROOT
from .requirements import LAMBDA, THIS_MACHINE, install

# In the code: the task types as data.
TASK_TYPES = "task-types.json"
# In a layer: a copy of the lock that its packages were installed from.
LAYER_LOCK = "requirements.txt"

# botocore carries the descriptions of 400 services, 25 MB of them; these are the ones that functions call or may call.
SERVICES = frozenset(
    {
        "dynamodb",
        "events",
        "lambda",
        "s3",
        "scheduler",
        "secretsmanager",
        "ses",
        "sesv2",
        "sqs",
        "ssm",
        "stepfunctions",
        "sts",
    }
)
# Left out of the layer. Only what is known to be unused: other packages import their own `tests`, or read their `.pyi`.
UNUSED = (
    ".*",
    "bin",
    "boto3/examples",
    "botocore/data/*/*/examples-1.json",
    "pydantic/mypy.py",
    "pydantic/v1",
    "pydantic_core/**/*.pyi",
    "**/__pycache__",
)
# All that importlib.metadata needs to tell a version, and the licences.
KEPT_OF_DIST_INFO = ("METADATA", "licenses", "LICENSE", "LICENSE.txt", "NOTICE", "entry_points.txt")
# Of the client, what functions and handlers import: the standard library is all that it needs.
HANDLER_API = ("client/taskyard/__init__.py", "client/taskyard/py.typed", "client/taskyard/tasks/")
# Older directories of earlier inputs go after this many seconds: a local system may still be running on a younger one.
KEEP_SECONDS = 86_400
# Raised when a rule of this file changes what a build holds.
RULES = "5"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A directory to upload and the hash that names it."""

    path: Path
    hash: str


@dataclass(frozen=True, kw_only=True)
class Assets:
    """What the stack deploys. `bytecode`: the version that compiled it, or `none`."""

    code: Asset
    layer: Asset
    bytecode: str


def read_below(folder: Path) -> dict[str, bytes]:
    """Every source file below a folder, by its path from the folder's parent; caches and hidden files are not."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts):
            contents[path.relative_to(folder.parent).as_posix()] = path.read_bytes()
    return contents


def code_sources() -> dict[str, bytes]:
    """What the code asset holds, by path there: `functions/`, and of the client the package that handlers import."""
    client = {name: content for name, content in read_below(ROOT / "client").items() if name.startswith(HANDLER_API)}
    return read_below(ROOT / "functions") | {name.removeprefix("client/"): client[name] for name in client}


def digest_of(contents: Mapping[str, bytes], *, salt: Iterable[str]) -> str:
    """One digest over names and contents, and over what else decides (`salt`). 64 hex digits."""
    total = hashlib.sha256()
    for part in salt:
        total.update(part.encode() + b"\0")
    for name, content in contents.items():
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Alone on this machine, for as long as the block; the kernel releases it should the process die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_sources(sources: Mapping[str, bytes], target: Path) -> None:
    for name, content in sources.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)


class TaskTypesError(RuntimeError):
    """The task files of the code cannot be imported, of which infra/build/task_files.py says more."""


def write_task_types(code: Path, layer: Path) -> None:
    """Adds task-types.json to the code: its task types as data, so that functions know them without importing a
    handler. `layer`: its packages, for this machine. Raises TaskTypesError."""
    ran = run_module("functions.build.task_types", paths=(code, layer))
    if ran.returncode:
        raise TaskTypesError(f"the task types cannot be listed ({ran.returncode}): {ran.stderr.strip()}")
    (code / TASK_TYPES).write_text(ran.stdout, encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def prune(site: Path) -> None:
    """Take out of an installed tree what no function reads. `site` holds the packages."""
    for package in ("botocore", "boto3"):
        for service in site.glob(f"{package}/data/*"):
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    for information in site.glob("*.dist-info"):
        for path in information.iterdir():
            if path.name not in KEPT_OF_DIST_INFO:
                _remove(path)
    for pattern in UNUSED:
        for path in [*site.glob(pattern)]:
            _remove(path)
    if (site / "botocore").exists():
        slim(site / "botocore" / "data")


def slim(data: Path) -> None:
    """Take out of botocore's data what it parses at every cold start and no call needs: the texts of documentation
    (four fifths of a service's description), and the endpoints of services that are not here (a megabyte)."""
    prefixes = set()
    for description in data.glob("*/*/service-2.json.gz"):
        service = json.loads(gzip.decompress(description.read_bytes()))
        prefixes.add(service["metadata"]["endpointPrefix"])
        slimmed = without_texts(service)
        for parameter in slimmed.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # the one place where botocore reads it without a default
        description.write_bytes(gzip.compress(_compact(slimmed), mtime=0))
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: it for name, it in partition["services"].items() if name in prefixes}
    (data / "endpoints.json").write_bytes(_compact(endpoints))


def without_texts(value: Any) -> Any:
    """A member that is named `documentation` stays: only a text is one."""
    if isinstance(value, dict):
        kept = {name: it for name, it in value.items() if name != "documentation" or not isinstance(it, str)}
        return {name: without_texts(it) for name, it in kept.items()}
    return [without_texts(it) for it in value] if isinstance(value, list) else value


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _built(kind: str, digest: str, compiler: Compiler | None, *, fill: Callable[[Path], None], at: str) -> Asset:
    """The asset of that digest, made by `fill` when it is not there. Called under the lock."""
    home = BUILD / kind
    final = home / digest[:16]
    if not final.exists():
        home.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        _tell(f"building the {kind} ...")
        stage = Path(tempfile.mkdtemp(prefix=".tmp-", dir=home))
        stage.chmod(0o755)
        try:
            fill(stage)
            if compiler:
                compile_tree(compiler, stage, deployed_at=at)
            stage.rename(final)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise
        _tell(f"built the {kind} in {time.monotonic() - started:.1f} s")
    os.utime(final)
    for other in home.iterdir():
        if other != final and time.time() - other.stat().st_mtime > KEEP_SECONDS:
            _remove(other)
    return Asset(path=final, hash=digest)


def code_digest(sources: Mapping[str, bytes], lock: bytes, compiler: Compiler | None) -> str:
    """`lock`: of the layer, whose pydantic writes the JSON Schemas of payloads in task-types.json."""
    return digest_of({**sources, LAYER_LOCK: lock}, salt=("code", RULES, _version(compiler)))


def layer_digest(lock: bytes, compiler: Compiler | None) -> str:
    return digest_of({LAYER_LOCK: lock}, salt=("layer", *_layer_rules(), *LAMBDA.options, _version(compiler)))


def _layer_rules() -> tuple[str, ...]:
    return (RULES, *sorted(SERVICES), *UNUSED, *KEPT_OF_DIST_INFO)


def _version(compiler: Compiler | None) -> str:
    return compiler.version if compiler else "none"


def build_assets(compiler: Compiler | None) -> Assets:
    """Both assets, built when their inputs changed. Reaches the package registry only for a new layer.

    Raises MissingWheelError, RequirementsError.
    """
    if compiler is None:
        wanted = f"{RUNTIME[0]}.{RUNTIME[1]}"
        _tell(
            f"WARNING: NO PYTHON {wanted} ON THIS MACHINE: the assets hold no bytecode, so every cold start compiles\n"
            f"WARNING: all that it imports. Before you deploy, install one (uv python install {wanted}) and run again."
        )
    # Read once: the digest is of what is written, also while somebody edits.
    sources, lock = code_sources(), LOCK_FILE.read_bytes()

    # Before the lock, which it takes itself.
    local_layer = build_local_layer(LOCK_FILE)

    def write(stage: Path) -> None:
        _write_sources(sources, stage)
        write_task_types(stage, local_layer)

    def fill(stage: Path) -> None:
        (stage / LAYER_LOCK).write_bytes(lock)
        install(stage / LAYER_LOCK, stage / "python", LAMBDA)
        prune(stage / "python")

    with file_lock(BUILD / ".lock"):
        code = _built("code", code_digest(sources, lock, compiler), compiler, fill=write, at="/var/task")
        layer = _built("layer", layer_digest(lock, compiler), compiler, fill=fill, at="/opt")
    return Assets(code=code, layer=layer, bytecode=_version(compiler))


def build_local_layer(lock: Path) -> Path:
    """The packages of a layer's lock for the Python that runs this, pruned as the layer is: a directory for its path.
    Built once for each lock and Python. Raises MissingWheelError, RequirementsError.
    """

    def fill(stage: Path) -> None:
        install(lock, stage, THIS_MACHINE)
        prune(stage)

    salt = ("local-layer", *_layer_rules(), sys.version, THIS_MACHINE.label)
    digest = digest_of({LAYER_LOCK: lock.read_bytes()}, salt=salt)
    with file_lock(BUILD / ".lock"):
        return _built("local-layer", digest, None, fill=fill, at="").path
