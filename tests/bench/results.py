"""Rounds → what is said of each contender: medians over rounds with their spread. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.prices import breakdown, dollars, usage_of

Round = Mapping[str, Mapping[str, Any]]
"""Contender's name → what rounds.play measured."""


def middle(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def contenders(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """In the order of the rounds; a contender that failed in a round is judged by the others."""
    names = dict.fromkeys(name for played in rounds for name in played)
    return {name: contender([played for played in rounds if name in played], name) for name in names}


def contender(rounds: Sequence[Round], name: str) -> dict[str, Any]:
    mine = [played[name] for played in rounds]
    raw = [played["raw"]["tasksPerSecond"] for played in rounds if "raw" in played]
    speeds = [one["tasksPerSecond"] for one in mine]
    ratios = [speed / base for speed, base in zip(speeds, raw, strict=False)]
    operations = dict.fromkeys(operation for one in mine for operation in one["calls"])
    cpu = [one["cpuMsPerTask"] for one in mine if one["cpuMsPerTask"] is not None]
    last = mine[-1]
    return {
        "title": last["title"],
        "peer": last["peer"],
        "rounds": len(mine),
        "calls": {op: statistics.median([one["calls"].get(op, 0.0) for one in mine]) for op in sorted(operations)},
        "callsPerTask": middle([one["callsPerTask"] for one in mine]),
        "callsAlone": middle([one["alone"]["callsPerTask"] for one in mine]),
        "callsBehind": statistics.median([(one["behind"] or {"callsPerTask": 0.0})["callsPerTask"] for one in mine]),
        "writeUnits": middle([one["writeUnits"] for one in mine]),
        "writeUnitsBehind": statistics.median([(one["behind"] or {"writeUnits": 0.0})["writeUnits"] for one in mine]),
        "readUnits": middle([one["readUnits"] for one in mine]),
        "dollars": middle([dollars(usage_of(one)) for one in mine]),
        "paidFor": breakdown(usage_of(last)),
        "tasksPerSecond": middle(speeds),
        "ofRaw": middle(ratios) if ratios else None,
        "submitSeconds": middle([one["submitSeconds"] for one in mine]),
        "workSeconds": middle([one["workSeconds"] for one in mine]),
        "cpuMsPerTask": middle(cpu) if cpu else None,
        "startMs": times([one["startMs"] for one in mine]),
        "driftMs": times([one["driftMs"] for one in mine]),
        "neverRan": sum(one["neverRan"] for one in mine),
        "ranAgain": sum(one["ranAgain"] for one in mine),
    }


def times(spreads: Sequence[Mapping[str, float] | None]) -> dict[str, float] | None:
    """The median round's median and 95th percentile, and the worst of all."""
    known = [one for one in spreads if one]
    if not known:
        return None
    return {
        "p50": statistics.median(one["p50"] for one in known),
        "p95": statistics.median(one["p95"] for one in known),
        "max": max(one["max"] for one in known),
    }


def targets(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the figures were to be, what they are: `met` is None when it was not measured."""
    shown = found["contenders"]
    single, batch = shown.get("taskyard"), shown.get("taskyard-batch")
    celery = shown.get("celery-recommended")
    cpu, payloads, stored = found.get("cpu"), found.get("payloads"), found.get("stored")
    rows: list[tuple[str, str, float | None, float | None]] = [
        ("calls per task, single submit", "≤ 4.3", single and single["callsPerTask"]["median"], 4.3),
        ("write units per small task", "≤ 4", single and single["writeUnits"]["median"], 4.0),
        ("calls per task, batch submit", "≤ 3.4", batch and batch["callsPerTask"]["median"], 3.4),
        ("$ per million, single submit", "≤ 4.50", single and single["dollars"]["median"], 4.5),
        ("worker CPU : bare boto3", "≤ 1.3", cpu and cpu["worker"]["ratio"], 1.3),
        ("api CPU : bare boto3", "≤ 1.5", cpu and cpu["api"]["ratio"], 1.5),
    ]
    made = [
        {"what": what, "target": target, "found": value, "met": None if value is None else value <= limit + 1e-9}
        for what, target, value, limit in rows
        if limit is not None
    ]
    if batch and celery and batch["ofRaw"] and celery["ofRaw"]:
        ours, theirs = batch["ofRaw"]["median"], celery["ofRaw"]["median"]
        made.append(
            {
                "what": "throughput of the raw loop, batch submit",
                "target": f"> {theirs:.2f} (Celery, recommended)",
                "found": ours,
                "met": ours > theirs,
            }
        )
    if payloads:
        made.append(same("record's write units, 1 KB and 100 KB", payloads, ("1000", "100000"), task_units))
    if stored:
        ends = list(stored)
        made.append(same(f"calls, {' and '.join(ends)} tasks stored", stored, ends, lambda one: one["callsPerTask"]))
        made.append(
            same(f"write units, {' and '.join(ends)} tasks stored", stored, ends, lambda one: one["writeUnits"])
        )
    return made


def task_units(one: Mapping[str, Any]) -> float:
    return float(one["writeUnitsByKind"]["TASK"])


def same(what: str, found: Mapping[str, Any], keys: Sequence[str], of: Any) -> dict[str, Any]:
    values = [of(found[key]) for key in keys]
    return {
        "what": what,
        "target": "the same",
        "found": values[-1],
        "other": values[0],
        "met": abs(values[0] - values[-1]) < 0.05,
    }
