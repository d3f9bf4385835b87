"""make simulate: many seeds over all cores, or one seed with its whole schedule.

python -m tests.simulation [--seeds N] [--first N] [--seed N] [--only WORKLOAD] [--bug NAME] [--report PATH] [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.simulation.many import Kind, outcomes
from tests.simulation.report import Tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="this one, with its schedule")
    parser.add_argument("--only", help="with one workload (tests/simulation/workload.py)")
    parser.add_argument("--bug", help="with a bug planted (tests/simulation/bugs.py)")
    parser.add_argument("--report", type=Path, default=Path(".build/simulation"), help="markdown and JSON go there")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    asked = parser.parse_args()
    kind = Kind(asked.only, asked.bug)
    if asked.seed is not None:
        return show(asked.seed, kind)
    tally = Tally()
    for outcome in outcomes(range(asked.first, asked.first + asked.seeds), kind, jobs=asked.jobs):
        tally.add(outcome)
        progress(tally, asked.seeds)
        if outcome.violations:
            print(f"\nseed {outcome.seed}: {'; '.join(outcome.violations[:3])}", flush=True)
    if tally.failed:
        # The whole schedule of the first one: what a log of CI needs to hold.
        print()
        show(min(tally.failed), kind)
        print("\nmake simulate SEED=… for each of:", *sorted(tally.failed))
    print(tally.line())
    print("faults: " + ", ".join(f"{kind} {count:,}" for kind, count in tally.injected.most_common()))
    print("written:", *tally.write(asked.first, asked.report))
    return 1 if tally.failed else 0


def show(seed: int, kind: Kind) -> int:
    outcome = kind.run(seed, log=True)
    print("\n".join(outcome.log))
    print(f"\nseed {seed}: {outcome.counted['calls']} AWS calls, faults: {dict(outcome.injected) or 'none'}")
    print("\n".join(f"violation: {found}" for found in outcome.violations) or "no violation")
    return 1 if outcome.violations else 0


def progress(tally: Tally, seeds: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{tally.line()}", end="\n" if tally.seeds == seeds else "", file=sys.stderr, flush=True)
    elif tally.seeds % max(1, seeds // 10) == 0:
        print(tally.line(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
