"""What is lost, run again or stuck when things break: `python -m tests.bench crash`.

Time is the server's: SQS's visibility and delays, and for Taskyard's functions everything else too, go by a clock that
is moved to the next thing due whenever nothing happens. What a peer times in its own process goes by a real clock, and
so nothing is asked of it for which that one would have to be waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench import breaking
from tests.bench.breaking import Scenario
from tests.bench.contenders import Contender, celery, dramatiq, taskiq, taskyard_local
from tests.bench.processes import ContenderFailed
from tests.bench.server import serving
from tests.bench.stage import Row, stage

TASKS: dict[Scenario, tuple[int, int]] = {
    breaking.worker_killed: (200, 40),
    breaking.worker_killed_once: (200, 40),
    breaking.join_killed: (100, 30),
    breaking.functions_killed: (200, 40),
    breaking.poisoned: (20, 10),
    breaking.downstream: (20, 5),
    breaking.lane_throttled: (50, 10),
    breaking.store_throttled: (200, 40),
    breaking.producer_ends: (25, 25),
    breaking.delayed_beyond_visibility: (5, 5),
    breaking.cancelled: (20, 5),
}
"""How many, and in a quick run; in the order of the table."""
KILLED = (breaking.worker_killed, breaking.poisoned)


def plan(peers: bool) -> list[tuple[Contender, tuple[Scenario, ...]]]:
    played: list[tuple[Contender, tuple[Scenario, ...]]] = [(taskyard_local(1), tuple(TASKS))]
    if peers:
        stored = (*KILLED, breaking.store_throttled, breaking.producer_ends, breaking.cancelled)
        played += [
            (celery("default"), stored),
            (celery("recommended"), (*stored, breaking.join_killed)),
            (celery("recommended", visibility=5), (breaking.delayed_beyond_visibility,)),
            (
                dramatiq(),
                (*KILLED, breaking.downstream, breaking.producer_ends, breaking.delayed_beyond_visibility),
            ),
            (taskiq(), (*KILLED, breaking.producer_ends, breaking.delayed_beyond_visibility)),
            (taskiq("batching"), (breaking.producer_ends,)),
        ]
    return played


def measure(
    *,
    quick: bool,
    peers: bool,
    problems: dict[str, str],
    log_progress: Callable[[str], None],
    only: Callable[[str, str], bool] = lambda scenario, contender: True,
) -> list[Row]:
    """Rows by what breaks, then by who. `only`: by the names of both."""
    rows: list[tuple[int, Row]] = []
    order = list(TASKS)
    with serving("crash") as server:
        for contender, scenarios in plan(peers):
            for scenario in scenarios:
                if not only(scenario.__name__, contender.name):
                    continue
                began = time.monotonic()
                try:
                    with stage(server, contender) as on:
                        row = scenario(on, TASKS[scenario][quick])
                    rows.append((order.index(scenario), row))
                    status = ", ".join(
                        f"{name} {row[name]}" for name in ("lost", "again", "stuck", "givenUp", "recovery")
                    )
                    status += f" ({row['note']})" if row["note"] else ""
                except (ContenderFailed, OSError) as failed:
                    problems[f"{scenario.__name__}, {contender.title}"] = status = f"failed: {failed}"
                log_progress(f"{scenario.__name__}: {contender.title}: {status} ({time.monotonic() - began:.0f} s)")
    return [row for _, row in sorted(rows, key=lambda row: row[0])]
