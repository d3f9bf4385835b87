"""300 seeds hold all invariants (invariants.py). `make simulate` runs more and shows the schedule of a failing one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.run import run
from tests.simulation.seams import uninstall

CHUNKS = 6
SEEDS = 300


@pytest.fixture(autouse=True)
def _seams_put_back() -> Iterator[None]:
    yield
    uninstall()


@pytest.mark.simulation
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_simulation_seeds_violate_no_invariant(chunk: int) -> None:
    for seed in range(chunk * SEEDS // CHUNKS, (chunk + 1) * SEEDS // CHUNKS):
        outcome = run(seed)
        if outcome.violations:
            schedule = "\n".join(run(seed, log=True).log)
            pytest.fail(f"{schedule}\n\nseed {seed} (make simulate SEED={seed}): {outcome.violations}", pytrace=False)
