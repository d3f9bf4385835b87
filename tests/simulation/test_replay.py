"""A seed is one schedule: in any process, whatever its hash seed, and however many seeds ran before it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.run import run
from tests.simulation.seams import uninstall

SEEDS = (0, 3, 17, 18)
ROOT = Path(__file__).parent.parent.parent
PROGRAM = "import sys; from tests.simulation.test_replay import digest; print(*(digest(int(s)) for s in sys.argv[1:]))"


def digest(seed: int) -> str:
    return hashlib.sha256("\n".join(run(seed, log=True).log).encode()).hexdigest()


@pytest.fixture(autouse=True)
def _seams_put_back() -> Iterator[None]:
    yield
    uninstall()


@pytest.mark.simulation
@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_seed_in_another_process_is_the_same_schedule(hash_seed: str) -> None:
    here = [digest(seed) for seed in SEEDS]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *map(str, reversed(SEEDS))]
    there = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.split() == here[::-1]


@pytest.mark.simulation
def test_seams_after_a_run_are_restored() -> None:
    from functions.runtime import wiring
    from functions.worker import batch, handler

    before = (wiring.client, wiring.clock, wiring.registry, handler.services, batch.ThreadPoolExecutor)
    run(0)
    assert wiring.clock is not before[1]
    uninstall()
    assert (wiring.client, wiring.clock, wiring.registry, handler.services, batch.ThreadPoolExecutor) == before
