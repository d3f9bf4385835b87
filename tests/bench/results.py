"""Rounds → what is said of each contender: medians over rounds with their spread. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
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
    speeds = [one["tasksPerSecond"] for one in mine]
    ratios = [played[name]["tasksPerSecond"] / played["raw"]["tasksPerSecond"] for played in rounds if "raw" in played]
    operations = dict.fromkeys(operation for one in mine for operation in one["calls"])
    cpu = [one["cpuMsPerTask"] for one in mine if one["cpuMsPerTask"] is not None]
    last = mine[-1]
    usual = sorted((usage_of(one) for one in mine), key=dollars)[len(mine) // 2]
    return {
        "title": last["title"],
        "peer": last["peer"],
        "rounds": len(mine),
        "calls": {op: statistics.median([one["calls"].get(op, 0.0) for one in mine]) for op in sorted(operations)},
        "callsPerTask": middle([one["callsPerTask"] for one in mine]),
        "callsAlone": middle([one["alone"]["callsPerTask"] for one in mine]),
        "callsBehind": statistics.median([one["behind"]["callsPerTask"] for one in mine]),
        "writeUnits": middle([one["writeUnits"] for one in mine]),
        "writeUnitsBehind": statistics.median([one["behind"]["writeUnits"] for one in mine]),
        "readUnits": middle([one["readUnits"] for one in mine]),
        "dollars": middle([dollars(usage_of(one)) for one in mine]),
        "dollarsAlone": middle([dollars(usage_of(one["alone"])) for one in mine]),
        "paidFor": breakdown(usual),
        "tasksPerSecond": middle(speeds),
        "ofRaw": middle(ratios) if ratios else None,
        "submitSeconds": middle([one["submitSeconds"] for one in mine]),
        "workSeconds": middle([one["workSeconds"] for one in mine]),
        "cpuMsPerTask": middle(cpu) if cpu else None,
        "startMs": times([one["startMs"] for one in mine]),
        "driftMs": times([one["driftMs"] for one in mine]),
        "neverRan": sum(one["neverRan"] + one["neverStarted"] for one in mine),
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


def targets(measurements: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the figures were to be, what they are: `met` is None when it was not measured."""
    shown = measurements.get("contenders", {})
    single, batch = shown.get("taskyard"), shown.get("taskyard-batch")
    celery = shown.get("celery-recommended")
    cpu, payloads, stored = measurements.get("cpu"), measurements.get("payloads"), measurements.get("stored")
    made = []
    if "rounds" in measurements["parts"]:
        made += [
            at_most("calls per task, single submit", 4.3, single and single["callsPerTask"]["median"]),
            at_most("write units per small task", 4, single and single["writeUnits"]["median"]),
            at_most("calls per task, batch submit", 3.4, batch and batch["callsPerTask"]["median"]),
            at_most("$ per million, single submit, a backlog", 4.5, single and single["dollars"]["median"]),
        ]
    if batch and celery and batch["ofRaw"] and celery["ofRaw"]:
        ours, theirs = batch["ofRaw"]["median"], celery["ofRaw"]["median"]
        target = f"> {theirs:.2f} (Celery, recommended)"
        made.append(judged("throughput of the raw loop, batch submit", target, ours, ours > theirs))
    if cpu:
        made.append(at_most("worker CPU : bare boto3", 1.3, cpu["worker"]["ratio"]))
        made.append(at_most("api CPU : bare boto3", 1.5, cpu["api"]["ratio"]))
    if payloads:
        made.append(same("record's write units, 1 KB and 100 KB", payloads, ("1000", "100000"), task_units))
    if stored:
        ends = list(stored)
        said = " and ".join(f"{int(end):,}" for end in ends)
        made.append(same(f"calls, {said} tasks stored", stored, ends, lambda one: one["callsPerTask"]))
        made.append(same(f"write units, {said} tasks stored", stored, ends, lambda one: one["writeUnits"]))
    if measurements.get("transitions"):
        made.append(at_most("transitions per run, whatever its nodes", 5, max(measurements["transitions"].values())))
    ours = [row for row in measurements.get("crash", ()) if row["who"].startswith("Taskyard")]
    if ours:
        made.append(at_most("accepted tasks lost, of all crashes", 0, sum(row["lost"] or 0 for row in ours)))
        protected = [row["again"] for row in ours if row.get("protected")]
        if protected:
            made.append(at_most("work inside ctx.once begun again", 0, sum(protected)))
    return made


def judged(what: str, target: str, value: float | None, met: bool | None) -> dict[str, Any]:
    return {"what": what, "target": target, "found": value, "met": met}


def at_most(what: str, limit: float, value: float | None) -> dict[str, Any]:
    return judged(what, f"≤ {limit:g}", value, None if value is None else value <= limit + 1e-9)


def task_units(one: Mapping[str, Any]) -> float:
    return float(one["writeUnitsByKind"]["TASK"])


def same(what: str, measurements: Mapping[str, Any], keys: Sequence[str], of: Callable[[Any], float]) -> dict[str, Any]:
    values = [of(measurements[key]) for key in keys]
    made = judged(what, "the same", values[-1], abs(values[0] - values[-1]) < 0.05)
    return made | {"other": values[0]}
