"""Layers: the directories that functions import from, with packages for the Python of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infra.build.layers import LAYER_LOCK, build_local_layer
from infra.build.requirements import RequirementsError
from local.template.cloud_assembly import CloudAssemblyError


def layer_directories(layers: Sequence[Path]) -> tuple[Path, ...]:
    """The directories of `layers`, first to be searched first: of two layers, Lambda lets the later one win.

    A layer that holds the lock of its packages is installed for this machine, which its own wheels may not fit; any
    other is used as it is. Raises CloudAssemblyError.
    """
    try:
        return tuple(_directory(layer) for layer in reversed(layers))
    except RequirementsError as error:
        raise CloudAssemblyError(str(error)) from None


def _directory(layer: Path) -> Path:
    lock = layer / LAYER_LOCK
    return build_local_layer(lock) if lock.exists() else layer / "python"
