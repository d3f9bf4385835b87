"""What a changed template changes in a running stack: what is taken over as it runs, and what takes a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.template.notes import NETWORK, SILENT_KINDS, SILENT_SERVICES
from local.template.stack import FunctionSpec, Stack

# Types without state here: their properties are read anew.
_READ_ANEW = SILENT_KINDS - {
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::StepFunctions::StateMachine",
}
_ADDABLE = _READ_ANEW | {"AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"}
_WITHOUT_EFFECT = ("AWS::CloudWatch::", NETWORK)


def new_resources(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Logical ids of the resources that only `new` has. Both are the Resources of templates."""
    return set(new) - set(old)


def needs_restart(old: Mapping[str, Any], new: Mapping[str, Any], made: Collection[str]) -> list[str]:
    """Logical ids of resources that cannot be changed while the stack runs, and what happened to each. `made`: types
    that the local system makes. A type that it neither makes nor reads is left out, and so is its change."""
    reasons = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        kind = (after or before or {})["Type"]
        known = kind in made or kind in SILENT_KINDS or kind.startswith(SILENT_SERVICES)
        if before == after or not known or kind.startswith(_WITHOUT_EFFECT):
            continue
        if before is None:
            if kind not in made and kind not in _ADDABLE:
                reasons.append(f"{name} is new")
        elif after is None:
            if kind not in _READ_ANEW or kind == "AWS::Lambda::Function":
                reasons.append(f"{name} is gone")
        elif kind not in _READ_ANEW:
            reasons.append(f"{name} is changed")
    return reasons


def take_over_roles(old: Stack, new: Stack) -> None:
    """Give the roles that are there the statements of `new`, and let `new` use them: principals refer to them."""
    for arn, role in new.roles.items():
        known = old.roles.setdefault(arn, role)
        known.statements[:] = role.statements
        known.trusted_services = role.trusted_services
    new.roles = old.roles
    for arn, spec in new.functions.items():
        new.functions[arn] = replace(spec, role=old.roles[spec.role.arn])


def changed_functions(old: Stack, new: Stack) -> list[FunctionSpec]:
    """The functions of both whose code or configuration differs. Code that is the same stays where it is: what of it
    runs, runs on."""
    digests: dict[Path, str] = {}

    def digest(root: Path) -> str:
        return digests.setdefault(root, digest_of_code(root))

    changed = []
    for arn, spec in new.functions.items():
        if arn not in old.functions:
            continue
        before = old.functions[arn]
        if digest(before.root) == digest(spec.root):
            spec = replace(spec, root=before.root)
        if all(digest(a) == digest(b) for a, b in zip(before.layers, spec.layers, strict=False)) and len(
            before.layers
        ) == len(spec.layers):
            spec = replace(spec, layers=before.layers)
        new.functions[arn] = spec
        if replace(spec, role=before.role) != before:
            changed.append(spec)
    return changed


def digest_of_code(root: Path) -> str:
    """Of a directory's names and contents, without bytecode. Of a layer with a lock, the lock says all."""
    total = hashlib.sha256()
    lock = root / "requirements.txt"
    files = [lock] if (root / "python").is_dir() and lock.exists() else sorted(root.rglob("*"))
    for path in files:
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.relative_to(root).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
