"""`python -m tests.bench [--quick] [--no-peers] [--rounds N]`, `… crash`, `… dag`, `… cpu`.

Writes .build/bench/report.md and report.json.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import environment

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / ".build" / "bench"
OURS = ("boto3", "moto")
THEIRS = ("celery", "kombu", "dramatiq", "dramatiq-sqs", "taskiq", "taskiq-aio-sqs", "boto3")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("all", "crash", "dag", "cpu"), default="all")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks: does it run at all?")
    parser.add_argument("--no-peers", action="store_true", help="Taskyard and the raw loop only")
    parser.add_argument("--rounds", type=int, help="3; with --quick 1")
    parser.add_argument("--only", help="contenders, by name, with commas between them")
    given = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    problems: dict[str, str] = {}
    if not given.no_peers:
        try:
            environment.install()
        except environment.NotInstalled as failed:
            problems["peers"] = f"not installed: {failed}"
    peers = not given.no_peers and not problems
    if given.part in ("dag", "cpu"):
        print(json.dumps(alone(given.part, given.quick), indent=1))
        return 0
    began = time.monotonic()
    found = head(given.quick, given.rounds)
    found["problems"] = problems
    if given.part == "all":
        found |= measure(given, found["rounds"], peers, problems)
    else:
        found |= {"contenders": {}, "targets": [], "load": []}
    found["crash"] = crashes(given.quick, peers, problems)
    found["minutes"] = (time.monotonic() - began) / 60
    from tests.bench.report import crash, markdown

    name = "report" if given.part == "all" else given.part
    (BUILD / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    text = markdown(found) if given.part == "all" else crash(found["crash"])
    (BUILD / f"{name}.md").write_text(text)
    print(text)
    print(f"written: .build/bench/{name}.md, .build/bench/{name}.json", file=sys.stderr)
    return 0


def alone(part: str, quick: bool) -> Any:
    from tests.bench import cpu, dag
    from tests.bench.server import serving

    with serving(part) as server:
        if part == "cpu":
            return cpu.measure(server, 2 if quick else 8)
        rows = dag.measure(server, dag.QUICK_SIZES if quick else dag.SIZES)
        return {"nodes": rows, "edges": dag.per_edge(rows)}


def head(quick: bool, rounds: int | None) -> dict[str, Any]:
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "commit": git("rev-parse", "--short", "HEAD")
        + ("+" if git("status", "--porcelain", "functions", "local") else ""),
        "versions": versions(),
        "command": "make bench" + (" QUICK=1" if quick else ""),
        "quick": quick,
        "rounds": rounds or (1 if quick else 3),
    }


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in OURS}
    sites = list(environment.VENV.glob("lib/python3*/site-packages"))
    for distribution in importlib.metadata.distributions(path=[str(site) for site in sites]):
        name = distribution.metadata["Name"]
        if name in THEIRS:
            found[f"peers' {name}" if name in OURS else name] = distribution.version
    return dict(sorted(found.items()))


def measure(given: argparse.Namespace, rounds: int, peers: bool, problems: dict[str, str]) -> dict[str, Any]:
    from tests.bench import cpu, dag, growth, results
    from tests.bench.contenders import all_contenders
    from tests.bench.processes import ContenderFailed
    from tests.bench.rounds import QUICK, Size, play
    from tests.bench.server import serving

    quick, size = given.quick, QUICK if given.quick else Size()
    played: list[dict[str, Any]] = []
    load: list[float] = []
    with serving() as server:
        for number in range(rounds):
            taken: dict[str, Any] = {}
            load.append(os.getloadavg()[0])
            for contender in all_contenders(peers=peers):
                if given.only and contender.name not in given.only.split(","):
                    continue
                began = time.monotonic()
                try:
                    taken[contender.name] = play(server, contender, size)
                    said = f"{taken[contender.name]['tasksPerSecond']:.0f} tasks/s"
                except ContenderFailed as failed:
                    problems[contender.title] = said = f"failed: {failed}"
                tell(f"round {number + 1}/{rounds}: {contender.title}: {said} ({time.monotonic() - began:.0f} s)")
            played.append(taken)
        found: dict[str, Any] = {
            "tasks": size.tasks,
            "load": load,
            "played": played,
            "contenders": results.contenders(played),
        }
        if not given.only:
            tell("CPU beside bare boto3 ...")
            found["cpu"] = cpu.measure(server, 2 if quick else 10)
            tell("payload sizes ...")
            found["payloads"] = growth.payloads(server, 20 if quick else 100)
            tell("tasks stored before ...")
            found["stored"] = growth.stored(
                server, 20 if quick else 100, growth.QUICK_STORED if quick else growth.STORED
            )
            tell("workflows ...")
            found["dag"] = dag.measure(server, dag.QUICK_SIZES if quick else dag.SIZES)
            found["dagEdges"] = dag.per_edge(found["dag"])
    return found | {"targets": results.targets(found)}


def crashes(quick: bool, peers: bool, problems: dict[str, str]) -> list[dict[str, Any]]:
    try:
        from tests.bench import crash
    except ImportError:
        return []
    return crash.measure(quick=quick, peers=peers, problems=problems, tell=tell)


BEGAN = time.monotonic()


def tell(line: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
