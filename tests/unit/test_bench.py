"""What the bench makes of what it counted: medians, dollars, verdicts, the report."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import prices, report, results
from tests.bench.watching import duration

SIZES = ("1000", "100000")
COLD = {"date": "2026-02-01", "targets": {"api": 1.5}, "measured": {"api": {"init": {"cpuRatio": [1.1, 1.2, 1.3]}}}}


def played(tasks_per_second: float, *, calls: float = 4.2, api: float = 1.0) -> dict[str, Any]:
    used = {
        "calls": {"sqs.SendMessage": 1.0, "sqs.ReceiveMessage": 0.1, "dynamodb.PutItem": calls - 1.1},
        "callsPerTask": calls,
        "writeUnits": 4.0,
        "readUnits": 0.0,
        "behind": {"callsPerTask": 0.1, "writeUnits": 0.1, "readUnits": 0.0},
        "invocations": {"observer": 0.1},
        "api": api,
    }
    latency = {"p50": 10.0, "p95": 20.0, "max": 30.0}
    return used | {
        "title": "Taskyard",
        "peer": False,
        "tasksPerSecond": tasks_per_second,
        "submitSeconds": 1.0,
        "workSeconds": 2.0,
        "cpuMsPerTask": 3.0,
        "startMs": latency,
        "driftMs": None,
        "neverRan": 0,
        "neverStarted": 1,
        "ranAgain": 0,
        "alone": used,
    }


def test_bench_ratio_is_to_the_raw_loop_of_the_same_round() -> None:
    rounds = [
        {"raw": played(100), "taskyard": played(50)},
        {"taskyard": played(10)},
        {"raw": played(400), "taskyard": played(100)},
    ]
    found = results.contenders(rounds)["taskyard"]
    assert found["ofRaw"] == {"median": 0.375, "min": 0.25, "max": 0.5}
    assert found["tasksPerSecond"] == {"median": 50, "min": 10, "max": 100}
    assert (found["rounds"], found["neverRan"]) == (3, 3)


def test_bench_dollars_of_a_million_tasks_are_the_sum_of_parts() -> None:
    usage = prices.usage_of(played(1))
    parts = prices.breakdown(usage)
    assert parts["HTTP API"] == 1.0
    assert parts["SQS"] == pytest.approx(1.1 * 0.40)
    assert parts["DynamoDB"] == pytest.approx(4.1 * 0.625), "what works behind its back is paid for too"
    assert parts["api Lambda"] == pytest.approx(0.20 + 0.5 * 0.012 * 13.33)
    assert parts["worker Lambda"] == pytest.approx(0.1 * (0.20 + 0.5 * 0.065 * 13.33))
    assert prices.dollars(usage) == pytest.approx(sum(parts.values()))


def test_bench_dollars_of_a_peer_contain_no_lambda() -> None:
    parts = prices.breakdown(prices.usage_of(played(1, api=0.0) | {"invocations": {}}))
    assert [name for name, dollars in parts.items() if dollars] == ["SQS", "DynamoDB"]


@pytest.mark.parametrize(("calls", "met"), [(4.3, True), (4.31, False)])
def test_bench_target_is_met_up_to_its_limit(calls: float, met: bool) -> None:
    contenders = results.contenders([{"taskyard": played(1, calls=calls)}])
    rows = {row["what"]: row for row in results.targets({"parts": ("rounds",), "contenders": contenders})}
    assert (rows["calls per task, single submit"]["found"], rows["calls per task, single submit"]["met"]) == (
        calls,
        met,
    )
    assert rows["calls per task, batch submit"]["met"] is None, "it did not run"


def test_bench_target_of_growth_compares_two_sizes() -> None:
    payloads = {size: {"writeUnitsByKind": {"TASK": units}} for size, units in zip(SIZES, (4.0, 4.2), strict=True)}
    (row,) = results.targets({"parts": ("growth",), "payloads": payloads})
    assert (row["other"], row["found"], row["met"]) == (4.0, 4.2, False)


def test_bench_crash_target_counts_taskyard_rows_only() -> None:
    row = {"who": "Taskyard", "lost": 0, "again": 3}
    rows = [row, row | {"protected": True, "again": 0}, {"who": "Celery", "lost": 5, "again": 9}]
    found = results.targets({"parts": ("crash",), "crash": rows})
    assert [(one["found"], one["met"]) for one in found] == [(0, True), (0, True)]


def test_bench_report_of_one_part_names_it() -> None:
    row = dict.fromkeys(("what", "who", "tasks", "lost", "again", "stuck", "givenUp", "recovery", "note"))
    found = {
        "at": "2026-02-01 10:00 UTC",
        "machine": "a laptop",
        "cores": 2,
        "commit": "abc",
        "versions": {"moto": "5"},
        "command": "make bench PART=crash",
        "minutes": 3.0,
        "quick": True,
        "parts": ("crash",),
        "problems": {"dramatiq-sqs": "not installed"},
        "targets": [],
        "crash": [row | {"what": "kill -9", "who": "Taskyard", "tasks": 5, "lost": 0}],
    }
    text = report.markdown(found, COLD, "benchmarks-init.md")
    assert "| kill -9 | Taskyard | 5 | 0 | – | – | – | – | – |" in text
    assert "no figure of it means anything" in text
    assert "[benchmarks-init.md](benchmarks-init.md)" in text
    assert "api 1.20" in text
    assert "- dramatiq-sqs: not installed" in text
    assert "## Throughput" not in text


@pytest.mark.parametrize(("seconds", "shown"), [(71.4, "71 s"), (1800, "30 min"), (43_203, "12 h")])
def test_bench_duration_is_shown_in_its_unit(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
