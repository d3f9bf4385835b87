"""CPU that the worker's and the api's own code need per task, as a ratio to bare boto3 making the same calls."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.contenders import _program
from tests.bench.processes import running
from tests.bench.server import Server


def measure(server: Server, blocks: int) -> dict[str, Any]:
    """Milliseconds per task: the median over blocks of a hundred tasks each, and the ratios block by block."""
    server.forget()
    env = server.as_function("cpu", "worker-normal")
    env |= {name: value for name, value in server.function("api").environment.items() if name not in env}
    with running(_program(server, "cpu", env, sys.executable, "cpu.py", str(blocks))) as [process]:
        return summary(process.answer(120 + 60 * blocks))


def summary(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, kinds in measured.items():
        found[part] = {kind: statistics.median(values) for kind, values in kinds.items()}
        ratios = sorted(ours / bare for ours, bare in zip(kinds["product"], kinds["bare"], strict=True))
        found[part] |= {"ratio": statistics.median(ratios), "ratioMin": ratios[0], "ratioMax": ratios[-1]}
    return found
