"""python -m tests.grants: removes every grant of every role of the dev stack, one at a time, and prints which scenario
fails without it. Exit code 1 when no scenario uses a grant, or none fails without it."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from local.system import LocalSystem
from local.template import cloud_assembly
from tests.grants.grants import Grant
from tests.grants.removal import Removal, play_all, remove_each
from tests.grants.scene import Scene, assembly


def main() -> int:
    began = time.monotonic()
    (cloud_assembly.PROJECT / ".local").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="grants-", dir=cloud_assembly.PROJECT / ".local") as directory,
        LocalSystem.start(assembly=assembly(Path(directory)), seed=1) as system,
    ):
        stage = Scene.of(system)
        _say("the scenarios, with every grant:")
        seconds = play_all(stage, _say)
        removals = list(_removals(stage, seconds))
    print(table(removals))
    bad = [removal for removal in removals if removal.error is None]
    for removal in bad:
        _say(str(removal))
    _say(f"{len(removals)} grants, {len(bad)} without a scenario that needs them, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def _removals(stage: Scene, seconds: dict[str, float]) -> list[Removal]:
    grants: list[Grant] = stage.use.all()
    removals = []
    for removal in remove_each(stage, grants, seconds):
        removals.append(removal)
        if removal.error is None or len(removals) % 20 == 0:
            _say(f"{len(removals):4}/{len(grants)}  {removal}")
    return removals


def table(removals: list[Removal]) -> str:
    """Markdown."""
    lines = ["| role | action | resource | fails without it |", "|---|---|---|---|"]
    for removal in removals:
        resource = removal.grant.short_resource + "".join(
            f", {key} {value}" for _, key, value in removal.grant.condition
        )
        fails = f"`{removal.scenario}`" if removal.error else "**nothing**"
        lines.append(f"| {removal.grant.role} | `{removal.grant.action}` | {resource} | {fails} |")
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
