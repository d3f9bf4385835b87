"""Each rule of the design is worth having: without it the simulation finds a violation, and soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.bugs import BUGS, planted
from tests.simulation.run import run
from tests.simulation.seams import uninstall

SEEDS = 500


@pytest.fixture(autouse=True)
def _seams_put_back() -> Iterator[None]:
    yield
    uninstall()


@pytest.mark.simulation
@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_found(name: str) -> None:
    with planted(name):
        assert any(run(seed).violations for seed in range(SEEDS)), f"{name}: not found in {SEEDS} seeds"
