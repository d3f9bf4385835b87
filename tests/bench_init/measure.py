"""Interleaved rounds of fresh interpreters, and what they imported."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench_init.staging import Staged

PROBE = Path(__file__).with_name("probe.py")
BASELINE = "boto3"
LAYERED = "boto3 of the layer"
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( *)(\S+)")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`argument`: the probe's. `path`: what its interpreter imports from."""

    name: str
    argument: str
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """Quartiles of repeated measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass
class Measured:
    """Per stage one (wall ms, CPU ms) a round."""

    stages: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    modules: int = 0

    def add(self, said: Mapping[str, Any]) -> None:
        self.modules = said["modules"]
        for stage, (wall, cpu) in said["stages"].items():
            self.stages.setdefault(stage, []).append((wall, cpu))


def variants(staged: Staged, functions: Mapping[str, tuple[str, Mapping[str, str]]]) -> list[Variant]:
    """`functions`: name → (handler, variables). The baselines first."""
    path = f"{staged.layer}:{staged.code}"
    return [
        Variant(name=BASELINE, argument="boto3", path=str(staged.stock)),
        Variant(name=LAYERED, argument="boto3", path=str(staged.layer)),
        *(
            Variant(name=name, argument=handler, path=path, environment=variables)
            for name, (handler, variables) in functions.items()
        ),
    ]


def run(staged: Staged, variant: Variant, *flags: str, only_init: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {
        **variant.environment,
        "PYTHONPATH": variant.path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        # As Lambda gives them: found in the environment, nothing is asked.
        "AWS_ACCESS_KEY_ID": "-",
        "AWS_SECRET_ACCESS_KEY": "-",
        "AWS_SESSION_TOKEN": "-",
    }
    command = [staged.python.executable, "-s", *flags, str(PROBE), variant.argument, *(["--init"] if only_init else [])]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def measure(staged: Staged, every: list[Variant], *, rounds: int) -> dict[str, Measured]:
    """Each round runs all of them, beginning with another one each time: what disturbs the machine disturbs all.
    A first run of each warms the file cache and is not counted."""
    found = {variant.name: Measured() for variant in every}
    for round_ in range(-1, rounds):
        for at in range(len(every)):
            variant = every[(at + round_) % len(every)]
            said = json.loads(run(staged, variant).stdout)
            if round_ >= 0:
                found[variant.name].add(said)
    return found


def ratio(of: Measured, to: Measured, stage: str, *, cpu: bool) -> Spread:
    """Quartiles of the rounds' own ratios to the baseline's init; the median is of the medians, which varies less."""
    ours = [times[cpu] for times in of.stages[stage]]
    theirs = [times[cpu] for times in to.stages["init"]]
    paired = Spread.of(mine / its for mine, its in zip(ours, theirs, strict=True))
    return Spread(paired.low, statistics.median(ours) / statistics.median(theirs), paired.high)


def imports(staged: Staged, variant: Variant, *, times: int = 5) -> dict[str, tuple[float, float, int]]:
    """Module → self ms, cumulative ms (the least of some runs) and depth in the tree, in the order of their imports."""
    found: dict[str, tuple[float, float, int]] = {}
    for _ in range(times):
        for line in run(staged, variant, "-X", "importtime", only_init=True).stderr.splitlines():
            if match := IMPORTED.match(line):
                own, cumulative, depth = int(match[1]) / 1000, int(match[2]) / 1000, len(match[3]) // 2
                before = found.get(match[4], (own, cumulative, depth))
                found[match[4]] = (min(own, before[0]), min(cumulative, before[1]), depth)
    return found
