"""Layers: the packages of a lock, for Lambda and for this machine, without what no function reads.

    .build/layer/<digest>/python/…
    .build/layer/<digest>/requirements.txt
    .build/local-layer/<digest>/…

A layer holds the lock that it was installed from: by it, the local system has the same packages, pruned alike, for its
own Python. Pools with the same lock, architecture and runtime have one layer.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from .assets import RULES, Asset, build_directory, digest_of, file_lock, remove
from .bytecode import Compiler, version_of
from .locations import BUILD
from .pool_locks import is_pool_lock, keeps_all_services
from .requirements import LAMBDA, THIS_MACHINE, Platform, install

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
UNUSED_IN_POOLS = (".lock", "**/__pycache__")
# All that importlib.metadata needs to tell a version, and the licences.
KEPT_OF_DIST_INFO = ("METADATA", "licenses", "LICENSE", "LICENSE.txt", "NOTICE", "entry_points.txt")


def layer_digest(lock: bytes, compiler: Compiler | None, platform: Platform = LAMBDA) -> str:
    return digest_of({LAYER_LOCK: lock}, salt=("layer", *_layer_rules(), *platform.options, version_of(compiler)))


def _layer_rules() -> tuple[str, ...]:
    return (RULES, *sorted(SERVICES), *UNUSED, *UNUSED_IN_POOLS, *KEPT_OF_DIST_INFO)


def build_layer(lock: bytes, compiler: Compiler | None, platform: Platform = LAMBDA) -> Asset:
    """The layer of a lock, for Lambda. Called under the lock of `.build`. Reaches the package registry when it is not
    there yet. Raises MissingWheelError, RequirementsError."""

    def fill(stage: Path) -> None:
        (stage / LAYER_LOCK).write_bytes(lock)
        install(stage / LAYER_LOCK, stage / "python", platform)
        prune(stage / "python", lock)

    return build_directory("layer", layer_digest(lock, compiler, platform), compiler, fill=fill, deployed_at="/opt")


def build_local_layer(lock: Path) -> Path:
    """The packages of a layer's lock for the Python that runs this, pruned as the layer is: a directory for its path.
    Built once for each lock and Python. Raises MissingWheelError, RequirementsError.
    """

    def fill(stage: Path) -> None:
        install(lock, stage, THIS_MACHINE)
        prune(stage, lock.read_bytes())

    salt = ("local-layer", *_layer_rules(), sys.version, THIS_MACHINE.label)
    digest = digest_of({LAYER_LOCK: lock.read_bytes()}, salt=salt)
    with file_lock(BUILD / ".lock"):
        return build_directory("local-layer", digest, None, fill=fill).path


def prune(site: Path, lock: bytes = b"") -> None:
    """Take out of an installed tree what no function reads. `site` holds the packages of `lock`. In the layer of a pool
    they are the user's too: of those nothing is known to be unused."""
    of_pool, all_services = is_pool_lock(lock), keeps_all_services(lock)
    for package in () if all_services else ("botocore", "boto3"):
        for service in site.glob(f"{package}/data/*"):
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
    for path in () if of_pool else [*site.glob("*.dist-info/*")]:
        if path.name not in KEPT_OF_DIST_INFO:
            remove(path)
    for pattern in UNUSED_IN_POOLS if of_pool else UNUSED:
        for path in [*site.glob(pattern)]:
            remove(path)
    if (site / "botocore").exists() and not all_services:
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
