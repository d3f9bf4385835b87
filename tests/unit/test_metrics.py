from __future__ import annotations

import io
import json
import threading
from typing import Any

from functions.runtime.metrics import Metrics


def flushed(metrics: Metrics, out: io.StringIO) -> list[dict[str, Any]]:
    metrics.flush(1_770_000_000_000)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    out.truncate(0)
    out.seek(0)
    return lines


def test_a_line_per_lane_in_the_embedded_metric_format() -> None:
    out = io.StringIO()
    metrics = Metrics("dev", out=out)
    metrics.count("TaskStarted", lane="high")
    metrics.count("TaskStarted", lane="high", times=2)
    metrics.time("RunTime", 12.34, lane="high")
    metrics.time("RunTime", 0, lane="high")
    metrics.count("TaskFailed", lane="low")
    high, low = flushed(metrics, out)
    [directive] = high["_aws"]["CloudWatchMetrics"]
    assert high["_aws"]["Timestamp"] == 1_770_000_000_000
    assert (directive["Namespace"], directive["Dimensions"]) == ("Taskyard", [["Environment"], ["Environment", "Lane"]])
    assert directive["Metrics"] == [
        {"Name": "TaskStarted", "Unit": "Count"},
        {"Name": "RunTime", "Unit": "Milliseconds"},
    ]
    assert (high["Environment"], high["Lane"], high["TaskStarted"], high["RunTime"]) == ("dev", "high", 3, [12.3, 0])
    assert (low["Lane"], low["TaskFailed"]) == ("low", 1)


def test_what_was_flushed_is_not_told_again() -> None:
    out = io.StringIO()
    metrics = Metrics("dev", out=out)
    metrics.count("TaskStarted", lane="high")
    assert len(flushed(metrics, out)) == 1
    assert flushed(metrics, out) == []


def test_no_more_values_in_a_line_than_cloudwatch_takes() -> None:
    out = io.StringIO()
    metrics = Metrics("dev", out=out)
    for at in range(250):
        metrics.time("Drift", at, lane="high")
    metrics.count("TaskStarted", lane="high", times=7)
    lines = flushed(metrics, out)
    assert [len(line["Drift"]) for line in lines] == [100, 100, 50]
    assert [value for line in lines for value in line["Drift"]] == list(range(250))
    assert [line.get("TaskStarted") for line in lines] == [7, None, None]


def test_threads_lose_no_count() -> None:
    out = io.StringIO()
    metrics = Metrics("dev", out=out)

    def work() -> None:
        for _ in range(500):
            metrics.count("TaskStarted", lane="high")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [line] = flushed(metrics, out)
    assert line["TaskStarted"] == 4000
