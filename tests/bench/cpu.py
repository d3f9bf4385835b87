"""CPU that the worker's and the api's own code need per task, as a ratio to bare boto3 making the same calls.

The worker's ratio is to the bare loop of ten threads: a batch of ten runs side by side in the worker too, and the
threads' own cost is not the product's. The api makes its calls one after the other, as the plain loop does.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.contenders import _program
from tests.bench.processes import running
from tests.bench.server import Server

BESIDE = {"worker": "threads", "api": "bare"}


def measure(server: Server, blocks: int) -> dict[str, Any]:
    """Milliseconds per task: the median over blocks of a hundred tasks each, and the ratios block by block."""
    server.forget()
    env = server.as_function("cpu", "worker-normal")
    env |= {name: value for name, value in server.function("api").environment.items() if name not in env}
    with running(_program(server, "cpu", env, sys.executable, "cpu.py", str(blocks))) as [process]:
        return summary(process.answer(120 + 60 * blocks))


def summary(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    measurements: dict[str, Any] = {}
    for part, kinds in measured.items():
        measurements[part] = {kind: statistics.median(values) for kind, values in kinds.items()}
        measurements[part] |= spread(kinds["product"], kinds[BESIDE[part]])
        measurements[part]["ratioToPlain"] = spread(kinds["product"], kinds["bare"])["ratio"]
    return measurements


def spread(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    ratios = sorted(our / their for our, their in zip(ours, theirs, strict=True))
    return {"ratio": statistics.median(ratios), "ratioMin": ratios[0], "ratioMax": ratios[-1]}
