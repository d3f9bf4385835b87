"""Taskyard beside what people use today, on one moto: `make bench`, or one part of it by name.

Writes a report, markdown and JSON: .build/bench/report, or wherever --report says; of a part .build/bench/<part>.
docs/benchmarks.md is the last full one: `make bench REPORT=docs/benchmarks`.
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

from tests.bench import cpu, crash, dag, environment, growth, results
from tests.bench.contenders import all_contenders
from tests.bench.processes import ContenderFailed
from tests.bench.report import markdown
from tests.bench.rounds import QUICK, Size, play
from tests.bench.server import BUILD, Server, serving

PROJECT = Path(__file__).resolve().parents[2]
COLD_START = PROJECT / "docs" / "benchmarks-init.json"
PARTS = ("rounds", "cpu", "growth", "dag", "crash")
OURS = ("boto3", "moto")
THEIRS = ("celery", "kombu", "dramatiq", "dramatiq-sqs", "taskiq", "taskiq-aio-sqs", "boto3")
BEGAN = time.monotonic()


def main() -> int:
    given = arguments()
    found = head(given)
    problems: dict[str, str] = found["problems"]
    peers = not given.no_peers
    if peers and not {"rounds", "crash"}.isdisjoint(given.parts):
        try:
            environment.install()
        except environment.NotInstalled as failed:
            problems["the peers"] = f"not installed: {failed}"
            peers = False
    found["versions"] = versions()
    if given.parts != ("crash",):
        with serving() as server:
            measure(server, given, peers, found)
    if "crash" in given.parts:
        found["crash"] = crash.measure(quick=given.quick, peers=peers, problems=problems, tell=tell, only=given.only)
    found["targets"] = results.targets(found)
    found["minutes"] = (time.monotonic() - BEGAN) / 60
    written = write(found, given.report)
    print(written[0].read_text())
    tell(f"written: {' '.join(str(path) for path in written)}")
    return 1 if problems else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks: does it run at all?")
    parser.add_argument("--rounds", type=int, help="3; with --quick 1")
    parser.add_argument("--no-peers", action="store_true", help="Taskyard and the raw loop only")
    parser.add_argument("--names", help="only contenders, or scenarios of the crash table, so named; commas between")
    parser.add_argument("--report", type=Path, help="markdown and JSON go there")
    given = parser.parse_args()
    given.parts = (given.part,) if given.part else PARTS
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.report = given.report or BUILD / (given.part or "report")
    names = given.names and set(given.names.split(","))
    given.only = lambda *candidates: not names or not names.isdisjoint(candidates)
    return given


def head(given: argparse.Namespace) -> dict[str, Any]:
    dirty = git("status", "--porcelain", "functions", "local", "tests/bench")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    options = [*(["QUICK=1"] if given.quick else []), *([f"PART={given.part}"] if given.part else [])]
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine,
        "cores": os.cpu_count(),
        "commit": git("rev-parse", "--short", "HEAD") + (" with changes" if dirty else ""),
        "versions": {},
        "command": " ".join(["make bench", *options]),
        "quick": given.quick,
        "parts": given.parts,
        "problems": {},
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


def measure(server: Server, given: argparse.Namespace, peers: bool, found: dict[str, Any]) -> None:
    """Every part that was asked for but the crash table, which has a server of its own: it moves the clock."""
    quick = given.quick
    if "rounds" in given.parts:
        rounds(server, given, peers, found)
    if "cpu" in given.parts:
        tell("CPU beside bare boto3 ...")
        found["cpu"] = cpu.measure(server, 2 if quick else 10)
    if "growth" in given.parts:
        count = 20 if quick else 100
        tell("payload sizes ...")
        found["payloads"] = growth.payloads(server, count)
        tell("tasks stored before ...")
        found["stored"] = growth.stored(server, count, growth.QUICK_STORED if quick else growth.STORED)
    if "dag" in given.parts:
        tell("workflows ...")
        sizes = dag.QUICK_SIZES if quick else dag.SIZES
        found["dag"] = dag.measure(server, sizes)
        found["dagEdges"] = dag.per_edge(found["dag"])
        found["transitions"] = dag.transitions(server, sizes)


def rounds(server: Server, given: argparse.Namespace, peers: bool, found: dict[str, Any]) -> None:
    """Every contender in turn, so many times."""
    size = QUICK if given.quick else Size()
    found |= {"rounds": given.rounds, "tasks": size.tasks, "load": [], "played": []}
    for number in range(given.rounds):
        taken: dict[str, Any] = {}
        found["load"].append(os.getloadavg()[0])
        for contender in all_contenders(peers=peers):
            if not given.only(contender.name):
                continue
            began = time.monotonic()
            try:
                taken[contender.name] = play(server, contender, size)
                said = f"{taken[contender.name]['tasksPerSecond']:.0f} tasks/s"
                if not taken[contender.name]["finished"]:
                    found["problems"][contender.title] = f"not done within {size.patience:.0f} s"
            except ContenderFailed as failed:
                found["problems"][contender.title] = said = f"failed: {failed}"
            tell(f"round {number + 1}/{given.rounds}: {contender.title}: {said} ({time.monotonic() - began:.0f} s)")
        found["played"].append(taken)
    found["contenders"] = results.contenders(found["played"])


def write(found: dict[str, Any], place: Path) -> list[Path]:
    """`place`: without a suffix, or with either of the two."""
    stem = place.with_suffix("") if place.suffix in (".md", ".json") else place
    stem.parent.mkdir(parents=True, exist_ok=True)
    cold_start = json.loads(COLD_START.read_text())
    link = os.path.relpath(COLD_START.with_suffix(".md"), stem.parent.resolve())
    written = [stem.with_suffix(".md"), stem.with_suffix(".json")]
    written[0].write_text(markdown(found, cold_start, link))
    written[1].write_text(json.dumps(found, indent=1) + "\n")
    return written


def tell(line: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
