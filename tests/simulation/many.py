"""Many seeds over several processes. Not in `__main__`: a spawned process cannot import that."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.simulation.run import Outcome, run

CHUNK = 25
"""Seeds that a process takes at a time."""


@dataclass(frozen=True)
class Kind:
    """What is run: everything, or `only` one workload; as it is, or with a `bug` planted."""

    only: str | None = None
    bug: str | None = None

    def run(self, seed: int, *, log: bool = False) -> Outcome:
        with self._planted():
            return run(seed, log=log, only=self.only)

    def _planted(self) -> AbstractContextManager[None]:
        if self.bug is None:
            return nullcontext()
        from tests.simulation.bugs import planted

        return planted(self.bug)


def outcomes(seeds: range, kind: Kind, *, jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from map(kind.run, seeds)
        return
    # Spawned: a fork would share greenlets and patched modules in whatever state they are.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
        for done in as_completed([pool.submit(several, chunk, kind) for chunk in chunks]):
            yield from done.result()


def several(seeds: range, kind: Kind) -> list[Outcome]:
    return [kind.run(seed) for seed in seeds]
