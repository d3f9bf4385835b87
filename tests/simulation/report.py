"""What many seeds came to: figures, and for each seed that failed how to look at it."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulation.run import Outcome


@dataclass
class Tally:
    seeds: int = 0
    began: float = field(default_factory=time.time)
    counted: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    cpu: float = 0.0
    failed: dict[int, list[str]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.counted += outcome.counted
        self.operations += outcome.operations
        self.injected += outcome.injected
        self.steps += outcome.steps
        self.cpu += outcome.seconds
        if outcome.violations:
            self.failed[outcome.seed] = outcome.violations

    @property
    def seconds(self) -> float:
        return time.time() - self.began

    def line(self) -> str:
        return (
            f"{self.seeds} seeds in {self.seconds:.0f} s ({self.seeds / max(self.seconds, 0.001):.1f}/s), "
            f"{self.counted['calls']:,} AWS calls, {sum(self.injected.values()):,} faults, "
            f"{len(self.failed)} seeds with violations"
        )

    def document(self, first: int) -> dict[str, Any]:
        return {
            "seeds": {"first": first, "count": self.seeds},
            "seconds": round(self.seconds, 1),
            "cpuSecondsPerSeed": round(self.cpu / max(self.seeds, 1), 4),
            "python": platform.python_version(),
            "steps": self.steps,
            "counted": dict(sorted(self.counted.items())),
            "operations": dict(self.operations.most_common()),
            "faults": dict(self.injected.most_common()),
            "failed": {str(seed): found for seed, found in sorted(self.failed.items())},
        }

    def markdown(self, first: int) -> str:
        lines = [
            f"# Simulation: seeds {first} to {first + self.seeds - 1}",
            "",
            self.line() + ".",
            "",
            table("AWS calls", self.operations),
            table("faults injected", self.injected),
            table("seen", self.counted),
            "## Violations",
            "",
        ]
        for seed, found in sorted(self.failed.items()):
            lines.append(f"- seed {seed} (`make simulate SEED={seed}`): {'; '.join(found[:5])}")
        return "\n".join([*lines, "" if self.failed else "None.", ""])

    def write(self, first: int, place: Path) -> list[Path]:
        """`place`: without a suffix, or with either of the two."""
        stem = place.with_suffix("") if place.suffix in (".md", ".json") else place
        stem.parent.mkdir(parents=True, exist_ok=True)
        written = [stem.with_suffix(".md"), stem.with_suffix(".json")]
        written[0].write_text(self.markdown(first))
        written[1].write_text(json.dumps(self.document(first), indent=2) + "\n")
        return written


def table(title: str, counts: Counter[str]) -> str:
    rows = "\n".join(f"| {name} | {count:,} |" for name, count in counts.most_common())
    return f"| {title} | |\n|---|---:|\n{rows}\n"
