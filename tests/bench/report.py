"""The report: one JSON document in, markdown out. Pure, so that a test can hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.bench.prices import DATED, computing, formula


def markdown(found: Mapping[str, Any], cold_start: Mapping[str, Any], link: str) -> str:
    """Of the parts that were measured. `cold_start`: what `make bench-init` found, `link`: where it says so."""
    shown, parts = found.get("contenders"), [head(found)]
    if found["targets"]:
        parts.append(section("Against the targets", targets(found["targets"])))
    if shown:
        parts.append(section("Cost per task, counted at the server", costs(shown)))
        parts.append(section("What a million tasks cost", money(shown)))
        parts.append(section("Throughput", throughput(shown)))
        parts.append(section("Enqueue to start, and drift at the due time", times(shown)))
    if "cpu" in found:
        parts.append(section("CPU beside bare boto3", cpu(found["cpu"])))
    if "payloads" in found:
        parts.append(section("Payload size", growth(found["payloads"], "payload, bytes")))
        parts.append(section("Tasks stored before", growth(found["stored"], "stored") + STORED))
    if "dag" in found:
        shapes = dag(found["dag"], found["dagEdges"])
        parts.append(section("Workflows: per node and per edge", shapes + transitions(found["transitions"])))
    if "crash" in found:
        parts.append(section("What is lost when things break", crash(found["crash"]) + CRASH))
    parts.append(section("Cold start", initialisation(cold_start, link)))
    if found["problems"]:
        parts.append(section("What could not be run", listed(found["problems"])))
    if shown:
        parts.append(section("How it was measured", METHOD))
    return "\n".join(parts)


def head(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    facts = [found["at"], found["machine"], f"`{found['command']}` in {found['minutes']:.0f} min"]
    if "rounds" in found:
        facts.append(f"{found['rounds']} rounds of {found['tasks']:,} tasks for each, in turn")
    if found["quick"]:
        facts.append("QUICK: it runs; no figure of it means anything")
    said = f"# Benchmarks\n\n{' · '.join(facts)}\n\nTaskyard {found['commit']}; {versions}\n"
    if "load" in found:
        load = ", ".join(f"{one:.1f}" for one in found["load"])
        said += f"\nLoad of the machine at the start of each round: {load} on {found['cores']} cores.\n"
    return said + f"\nWritten by the command, nobody edits it by hand. {COMMANDS}\n"


COMMANDS = """`make bench` writes .build/bench/report.md and .json, `REPORT=docs/benchmarks` the committed ones;
`QUICK=1` is a smoke run, `PART=crash` (rounds, cpu, growth, dag) one part. It makes the peers' environment first."""


def section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"| --- |{' ---: |' * (len(header) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def spread(value: Mapping[str, float] | None, digits: int = 2) -> str:
    """`median (min–max)`; the median alone when there is no spread to speak of."""
    if value is None:
        return "–"
    median, low, high = (number(value[name], digits) for name in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}–{high})"


def targets(rows: Sequence[Mapping[str, Any]]) -> str:
    words = {True: "met", False: "**missed**", None: "not measured"}
    return table(
        ("", "target", "found", ""),
        [
            (
                row["what"],
                row["target"],
                (f"{number(row['other'])} / " if "other" in row else "") + number(row["found"]),
                words[row["met"]],
            )
            for row in rows
        ],
    )


def costs(contenders: Mapping[str, Mapping[str, Any]]) -> str:
    operations = dict.fromkeys(op for one in contenders.values() for op in one["calls"])
    short = {op: op.split(".")[1] for op in sorted(operations)}
    header = ("calls per task", *short.values(), "sum", "when alone", "write units", "read units")
    rows = [
        (
            one["title"],
            *(number(one["calls"][op]) if one["calls"].get(op) else "" for op in short),
            spread(one["callsPerTask"]),
            spread(one["callsAlone"]),
            spread(one["writeUnits"]),
            spread(one["readUnits"]),
        )
        for one in contenders.values()
    ]
    behind = [
        f"{one['title']}: {number(one['callsBehind'], 3)} calls and {number(one['writeUnitsBehind'], 3)} write units"
        for one in contenders.values()
        if one["callsBehind"]
    ]
    return (
        table(header, rows)
        + "\nA backlog: batches are full. *When alone*: each task meets an idle worker, so that a receive and a delete"
        " bring one task only. Empty receives and the calls by which a process finds its queue and table at its start"
        " are not in the sums; the observer's counts per state, which ride on the table's stream, neither ("
        + "; ".join(behind)
        + " per task), but they are in the dollars.\n"
    )


def money(contenders: Mapping[str, Mapping[str, Any]]) -> str:
    parts = dict.fromkeys(part for one in contenders.values() for part in one["paidFor"])
    rows = [
        (
            one["title"],
            *(number(one["paidFor"][part]) if one["paidFor"][part] else "" for part in parts),
            spread(one["dollars"]),
            spread(one["dollarsAlone"]),
        )
        for one in contenders.values()
        if one["title"] != "raw boto3 loop"
    ]
    return (
        table(("$ per million tasks", *parts, "all in", "all in, when alone"), rows)
        + f"\nus-east-1, list prices of {DATED}; a backlog, or each task alone with a batch to itself. A handler that"
        f" computes for its time instead of waiting adds at least {computing():.2f} to full batches. The peers' workers"
        " are servers that are paid for apart: they come on top, busy or not; so does an API in front of them. Not in"
        " it, for anybody: logs, metrics, transfer, and polling of empty queues, which does not grow with tasks.\n\n"
        f"```\n{formula()}\n```\n"
    )


def throughput(contenders: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            one["title"],
            spread(one["ofRaw"]),
            spread(one["tasksPerSecond"], 0),
            spread(one["submitSeconds"], 1),
            spread(one["workSeconds"], 1),
            spread(one["cpuMsPerTask"], 1),
            str(one["neverRan"]),
            str(one["ranAgain"]),
        )
        for one in contenders.values()
    ]
    header = ("", "of the raw loop", "tasks/s", "submit, s", "work, s", "CPU ms/task", "never ran", "ran again")
    return table(header, rows)


def times(contenders: Mapping[str, Mapping[str, Any]]) -> str:
    def shown(value: Mapping[str, float] | None) -> tuple[str, str, str]:
        if value is None:
            return ("–", "–", "–")
        return (number(value["p50"], 0), number(value["p95"], 0), number(value["max"], 0))

    rows = [(one["title"], *shown(one["startMs"]), *shown(one["driftMs"])) for one in contenders.values()]
    return table(("ms", "start p50", "p95", "worst", "drift p50", "p95", "worst"), rows) + (
        "\nmoto delivers a message the moment it is sent. AWS takes about 16 ms (p50) from SQS to Lambda, so these say"
        " who adds what, not what AWS would take. A wake-up of Taskyard's is sent before its record is written: here it"
        " mostly overtakes it, and the worker looks again 30 ms later, at the price of one refused write.\n"
    )


def cpu(found: Mapping[str, Any]) -> str:
    def row(name: str, one: Mapping[str, float]) -> tuple[str, ...]:
        ratio = f"{number(one['ratio'])} ({number(one['ratioMin'])}–{number(one['ratioMax'])})"
        plain = number(one["product"]), number(one["bare"]), number(one.get("threads"))
        return (name, *plain, ratio, number(one["ratioToPlain"]))

    rows = [row("worker, per task (claim, settle)", found["worker"]), row("api, per submit (send, put)", found["api"])]
    header = ("ms of CPU", "Taskyard", "bare boto3", "bare, ten threads", "ratio to its like", "to bare, one thread")
    return table(header, rows) + (
        "\nThe worker runs a batch side by side, so its like is bare boto3 in ten threads; the api's is one thread.\n"
    )


def growth(found: Mapping[str, Mapping[str, Any]], what: str) -> str:
    kinds = dict.fromkeys(kind for one in found.values() for kind in one["writeUnitsByKind"])
    header = (what, "calls", "write units", *(f"of {kind}" for kind in kinds), "read units")
    return table(
        header,
        [
            (
                f"{int(size):,}",
                number(one["callsPerTask"]),
                number(one["writeUnits"]),
                *(number(one["writeUnitsByKind"].get(kind)) for kind in kinds),
                number(one["readUnits"]),
            )
            for size, one in found.items()
        ],
    )


STORED = "\nThe table was filled through moto's own backend, with settled tasks of the same tenant.\n"


def dag(rows: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> str:
    of = {(edge["shape"], edge["nodes"]): edge for edge in edges}
    shown = []
    for row in rows:
        edge = of.get((row["shape"], row["nodes"]), {})
        shown.append(
            (
                row["shape"],
                str(row["nodes"]),
                str(row["edges"]),
                number(row["callsPerNode"]),
                number(row["writeUnitsPerNode"]),
                number(row["readUnitsPerNode"]),
                number(edge.get("callsPerEdge")),
                number(edge.get("writeUnitsPerEdge")),
            )
        )
    header = (
        "shape",
        "nodes",
        "edges",
        "calls/node",
        "write units/node",
        "read units/node",
        "calls/edge",
        "units/edge",
    )
    return table(header, shown) + (
        "\nA whole run: its records, its steps, its nodes' execution. What an edge adds is taken over as many nodes"
        " without edges: in a chain each node meets an idle worker, so its edge also pays for a batch of its own.\n"
    )


def transitions(found: Mapping[str, int]) -> str:
    said = ", ".join(f"{run}: {moves}" for run, moves in found.items())
    return (
        f"\nTransitions of Step Functions that a run is billed for, through the local system: {said}."
        " A step that the machine had to try again is one more.\n"
    )


def crash(rows: Sequence[Mapping[str, Any]]) -> str:
    def cell(value: Any) -> str:
        return "–" if value is None else str(value)

    fields = {
        "what breaks": "what",
        "who": "who",
        "tasks": "tasks",
        "lost": "lost",
        "begun again": "again",
        "stuck": "stuck",
        "given up": "givenUp",
        "recovered after": "recovery",
        "": "note",
    }
    return table(tuple(fields), [tuple(cell(row[name]) for name in fields.values()) for row in rows])


CRASH = """
Accepted tasks only. *Lost*: neither done nor kept anywhere. *Begun again*: started more than once; of a killed worker's
unfinished tasks nobody can know how far they came, so whoever loses none begins them again, and what must not be
repeated goes inside `ctx.once`. *Stuck*: still neither done nor given up after 30 hours of the server's clock, or when
it had gone on in circles. *Given up*: not done, and recorded as such (a state, a result, a dead-letter queue).
*Recovered after*: from the fault to the end of the last task, mostly the visibility timeout that was set: 70 s for
Taskyard's dev stack and Celery's recommended settings; by default 30 min for Celery, 12 h for dramatiq-sqs, and 30 s
for the queue that taskiq-aio-sqs was given.

Queues and, of Taskyard, everything else go by a clock that is moved on whenever nothing happens. The peers' own timers
are real, so what depends on them is not asked of them: Celery keeps a delay in its worker's memory, and was given a
visibility timeout of 5 s where a delay is to exceed it; its own retries, which are delays too, were left out, and
taskiq has none by default. What has no counterpart there (Lambda's throttling, function processes) is Taskyard's alone.
"""


def initialisation(found: Mapping[str, Any], link: str) -> str:
    measured = found["measured"]
    said = ", ".join(f"{name} {measured[name]['init']['cpuRatio'][1]:.2f}" for name in found["targets"])
    return (
        f"A measurement of its own, `make bench-init`, last on {found['date']}: [benchmarks-init.md]({link}). CPU of a"
        f" function's init as a ratio to `import boto3` and one client: {said}.\n"
    )


def listed(problems: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {reason}" for name, reason in problems.items()) + "\n"


METHOD = """\
One moto, in one process, one request at a time, answers everybody: the local system's AWS endpoint
(`local/endpoints/aws.py`). Each contender has an access key of its own; calls are counted there from the requests
themselves, capacity units from the items before and after each write (`tests/bench/counting.py`, `local/usage.py`).

- **The same terms.** *Taskyard, submitted …* is the real api handler called in the producer's process with API
  Gateway's event, and the real worker handler in four processes that receive, call it and delete over HTTP, as the
  peers' workers do: the code is the asset of the synthesized template, the environment that of its functions. Its
  stream and observer run beside it and take their share of the two cores. *Taskyard through the local system* is
  everything as deployed: HTTP API, Lambda runtime API, event source mappings, role policies checked for each call; its
  mappings read moto's queues without HTTP, and the rest of the emulation competes with moto for one core.
- **The same tasks.** A task notes that it began: one write to a file, in the same function for everybody
  (`tests/bench/programs/notes.py`). One producer process with one thread each.
- **Concurrency.** Celery: prefork, 8. dramatiq: 2 processes of 4 threads. taskiq: 2 processes of 4 threads. Taskyard:
  4 processes, ten tasks side by side. The raw loop: one process that sends, one that works, one thread each.
- **Throughput** is from the first submit to the last write. Workers stand still (SIGSTOP) while the backlog is
  submitted, so that what a contender costs does not depend on who is faster; the local system's do not.
- **Settings.** Celery's recommended ones are `acks_late`, `reject_on_worker_lost`, `track_started` and a visibility
  timeout of 70 s, as Taskyard's dev stack has. dramatiq has a dead-letter queue, no results; taskiq has no results:
  neither can say afterwards what became of a task. Celery's result table and taskiq's queue are made beforehand.
- CPU is the processes' own, from /proc; ratios to bare boto3 are `process_time` in one process, blocks taken in turn.
- moto's speed is not AWS's: compare columns, not with the world outside.
"""
