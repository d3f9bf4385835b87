"""The report: one JSON document in, markdown out. Pure, so that a test can hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.bench.prices import DATED, computing, formula


def markdown(measurements: Mapping[str, Any], cold_start: Mapping[str, Any], link: str) -> str:
    """Of the parts that were measured. `cold_start`: the figures of `make bench-init`, `link`: to their page."""
    shown, parts = measurements.get("contenders"), [head(measurements)]
    if measurements["targets"]:
        parts.append(section("Against the targets", targets(measurements["targets"])))
    if shown:
        parts.append(section("Cost per task, counted at the server", costs(shown)))
        parts.append(section("What a million tasks cost", money(shown)))
        parts.append(section("Throughput", throughput(shown)))
        parts.append(section("Enqueue to start, and drift at the due time", times(shown)))
    if "cpu" in measurements:
        parts.append(section("CPU beside bare boto3", cpu(measurements["cpu"])))
    if "payloads" in measurements:
        parts.append(section("Payload size", growth(measurements["payloads"], "payload, bytes")))
        parts.append(section("Tasks stored before", growth(measurements["stored"], "stored") + STORED))
    if "dag" in measurements:
        shapes = dag(measurements["dag"], measurements["dagEdges"])
        parts.append(section("Workflows: per node and per edge", shapes + transitions(measurements["transitions"])))
    if "crash" in measurements:
        parts.append(section("What is lost when things break", crash(measurements["crash"]) + CRASH))
    parts.append(section("Cold start", initialisation(cold_start, link)))
    if measurements["problems"]:
        parts.append(section("What could not be run", listed(measurements["problems"])))
    if shown:
        parts.append(section("How it was measured", METHOD))
    return "\n".join(parts)


def head(measurements: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in measurements["versions"].items())
    facts = [
        measurements["at"],
        measurements["machine"],
        f"`{measurements['command']}` in {measurements['minutes']:.0f} min",
    ]
    if "rounds" in measurements:
        facts.append(f"{measurements['rounds']} rounds of {measurements['tasks']:,} tasks for each, in turn")
    if measurements["quick"]:
        facts.append("QUICK: it runs; no figure of it means anything")
    text = f"# Benchmarks\n\n{' · '.join(facts)}\n\nTaskyard {measurements['commit']}; {versions}\n"
    if "load" in measurements:
        load = ", ".join(f"{one:.1f}" for one in measurements["load"])
        text += f"\nLoad of the machine at the start of each round: {load} on {measurements['cores']} cores.\n"
    return text + f"\nThe command writes this page; do not edit it. {COMMANDS}\n"


COMMANDS = """\
`make bench` writes .build/bench/report.md and .json; with `REPORT=docs/benchmarks` it writes the committed ones.
`QUICK=1` is a smoke run, `PART=crash` (rounds, cpu, growth, dag) runs one part. It makes the environment of the
other libraries first."""


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
        + "\nThe tasks are a backlog, so batches are full. *When alone*: each task meets an idle worker, so a"
        " receive and a delete handle one task. The sums leave out empty receives and the calls by which a process"
        " finds its queue and table. They also leave out the observer, which counts states from the table's stream ("
        + "; ".join(behind)
        + " per task); the dollars include it.\n"
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
        + f"\nus-east-1, list prices of {DATED}; a backlog, or each task alone in its batch. A handler that computes"
        f" instead of waiting adds at least {computing():.2f} to full batches. The workers of the other libraries are"
        " servers, which cost extra, busy or not; so does an API in front of them. Not included, for any contender:"
        " logs, metrics, transfer, and polling of empty queues, which does not grow with tasks.\n\n"
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
        "\nmoto delivers a message at once. AWS takes about 16 ms (p50) from SQS to Lambda. So these"
        " figures show what each"
        " contender adds, not what AWS would take. Taskyard sends a wake-up before it writes the record."
        " Here the wake-up"
        " mostly arrives first, and the worker looks again 30 ms later, which costs one refused write.\n"
    )


def cpu(measurements: Mapping[str, Any]) -> str:
    def row(name: str, one: Mapping[str, float]) -> tuple[str, ...]:
        ratio = f"{number(one['ratio'])} ({number(one['ratioMin'])}–{number(one['ratioMax'])})"
        plain = number(one["product"]), number(one["bare"]), number(one.get("threads"))
        return (name, *plain, ratio, number(one["ratioToPlain"]))

    rows = [
        row("worker, per task (claim, settle)", measurements["worker"]),
        row("api, per submit (send, put)", measurements["api"]),
    ]
    header = (
        "ms of CPU",
        "Taskyard",
        "bare boto3",
        "bare, ten threads",
        "ratio to the same threads",
        "to bare, one thread",
    )
    return table(header, rows) + (
        "\nThe worker runs a batch side by side, so it is compared with bare boto3 in ten threads; the"
        " api with one thread.\n"
    )


def growth(measurements: Mapping[str, Mapping[str, Any]], what: str) -> str:
    kinds = dict.fromkeys(kind for one in measurements.values() for kind in one["writeUnitsByKind"])
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
            for size, one in measurements.items()
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
        "\nA whole run: its records, its steps, the execution of its nodes. The cost of an edge is the difference to as"
        " many nodes without edges. In a chain each node meets an idle worker, so its edge includes a"
        " batch of its own.\n"
    )


def transitions(measurements: Mapping[str, int]) -> str:
    text = ", ".join(f"{run}: {moves}" for run, moves in measurements.items())
    return (
        f"\nTransitions of Step Functions that a run is billed for, through the local system: {text}."
        " A step that the machine retries is one more.\n"
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
Accepted tasks only.

- *Lost*: neither done nor recorded anywhere.
- *Begun again*: started more than once. Nobody can know how far the unfinished tasks of a killed worker came. So a
  scheduler that loses none begins them again, and an effect that must not be repeated goes into `ctx.once`.
- *Stuck*: neither done nor given up after 30 hours of the server's clock, or when the same states repeated.
- *Given up*: not done, and recorded as such (a state, a result, a dead-letter queue).
- *Recovered after*: from the fault to the end of the last task. This is mostly the visibility timeout: 70 s for
  Taskyard's dev stack and Celery's recommended settings; by default 30 min for Celery, 12 h for dramatiq-sqs, and
  30 s for the queue that taskiq-aio-sqs was given.

The queues, and all of Taskyard, follow a clock that is advanced whenever nothing happens. The timers of the other
libraries are real, so nothing that depends on them is measured. Celery keeps a delay in its worker's memory; where
a delay has to exceed the visibility timeout, that timeout was 5 s. Celery's own retries, which are delays too,
were left out; taskiq has none by default. Scenarios without a counterpart there (Lambda's throttling, function
processes) have Taskyard only.
"""


def initialisation(measurements: Mapping[str, Any], link: str) -> str:
    measured = measurements["measured"]
    text = ", ".join(f"{name} {measured[name]['init']['cpuRatio'][1]:.2f}" for name in measurements["targets"])
    return (
        f"A measurement of its own, `make bench-init`, last on {measurements['date']}: [benchmarks-init.md]({link})."
        f" CPU of a function's init as a ratio to `import boto3` and one client: {text}.\n"
    )


def listed(problems: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {reason}" for name, reason in problems.items()) + "\n"


METHOD = """\
One moto, in one process, answers every contender, one request at a time: the AWS endpoint of the local system
(`local/endpoints/aws.py`). Each contender has its own access key. Calls are counted there from the requests,
capacity units from the items before and after each write (`tests/bench/counting.py`, `local/aws/capacity.py`).

- **Same conditions.** *Taskyard, submitted …* is the real api handler, called in the producer's process with an
  event of API Gateway, and the real worker handler in four processes, which receive, call it and delete over HTTP
  like the workers of the other libraries. The code is the asset of the synthesized template, the environment is
  that of its functions. Its stream and observer run beside it and use their share of the two cores. *Taskyard
  through the local system* is everything as deployed: HTTP API, Lambda runtime API, event source mappings, role
  policies checked for each call. Its mappings read moto's queues without HTTP, and the rest of the emulation
  competes with moto for one core.
- **Same tasks.** A task records that it began by one write to a file, in the same function for every contender
  (`tests/bench/programs/notes.py`). There is one producer process with one thread.
- **Concurrency.** Celery: prefork, 8. dramatiq: 2 processes of 4 threads. taskiq: 2 processes of 4 threads.
  Taskyard: 4 processes, ten tasks side by side. The raw loop: one process that sends, one that works, one thread
  each.
- **Throughput** is measured from the first submit to the last write. Workers are stopped (SIGSTOP) while the
  backlog is submitted, so the cost of a contender does not depend on whether its producer or its workers are
  faster. Those of the local system are not stopped.
- **Settings.** Celery's recommended ones are `acks_late`, `reject_on_worker_lost`, `track_started` and a
  visibility timeout of 70 s, as in Taskyard's dev stack. dramatiq has a dead-letter queue and no results, taskiq
  has no results: neither can say afterwards what happened to a task. Celery's result table and taskiq's queue are
  made beforehand.
- **CPU** is that of the processes, from /proc. Ratios to bare boto3 are `process_time` in one process, in
  alternating blocks.
- **moto is not AWS.** Compare columns with each other, not with figures from elsewhere.
"""
