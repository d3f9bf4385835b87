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
    options = arguments()
    measurements = head(options)
    problems: dict[str, str] = measurements["problems"]
    peers = not options.no_peers
    if peers and not {"rounds", "crash"}.isdisjoint(options.parts):
        try:
            environment.install()
        except environment.NotInstalled as failed:
            problems["the peers"] = f"not installed: {failed}"
            peers = False
    measurements["versions"] = versions()
    if options.parts != ("crash",):
        with serving() as server:
            measure(server, options, peers, measurements)
    if "crash" in options.parts:
        measurements["crash"] = crash.measure(
            quick=options.quick, peers=peers, problems=problems, log_progress=log_progress, only=options.only
        )
    measurements["targets"] = results.targets(measurements)
    measurements["minutes"] = (time.monotonic() - BEGAN) / 60
    paths = write(measurements, options.report)
    print(paths[0].read_text())
    log_progress(f"written: {' '.join(str(path) for path in paths)}")
    return 1 if problems else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="one round of few tasks: does it run at all?")
    parser.add_argument("--rounds", type=int, help="3; with --quick 1")
    parser.add_argument("--no-peers", action="store_true", help="Taskyard and the raw loop only")
    parser.add_argument("--names", help="only contenders, or scenarios of the crash table, so named; commas between")
    parser.add_argument("--report", type=Path, help="markdown and JSON go there")
    options = parser.parse_args()
    options.parts = (options.part,) if options.part else PARTS
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.report = options.report or BUILD / (options.part or "report")
    names = options.names and set(options.names.split(","))
    options.only = lambda *candidates: not names or not names.isdisjoint(candidates)
    return options


def head(options: argparse.Namespace) -> dict[str, Any]:
    dirty = git("status", "--porcelain", "functions", "local", "tests/bench")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    variables = [*(["QUICK=1"] if options.quick else []), *([f"PART={options.part}"] if options.part else [])]
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine,
        "cores": os.cpu_count(),
        "commit": git("rev-parse", "--short", "HEAD") + (" with changes" if dirty else ""),
        "versions": {},
        "command": " ".join(["make bench", *variables]),
        "quick": options.quick,
        "parts": options.parts,
        "problems": {},
    }


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def versions() -> dict[str, str]:
    installed = {name: importlib.metadata.version(name) for name in OURS}
    sites = list(environment.VENV.glob("lib/python3*/site-packages"))
    for distribution in importlib.metadata.distributions(path=[str(site) for site in sites]):
        name = distribution.metadata["Name"]
        if name in THEIRS:
            installed[f"peers' {name}" if name in OURS else name] = distribution.version
    return dict(sorted(installed.items()))


def measure(server: Server, options: argparse.Namespace, peers: bool, measurements: dict[str, Any]) -> None:
    """Every part that was asked for but the crash table, which has a server of its own: it moves the clock."""
    quick = options.quick
    if "rounds" in options.parts:
        rounds(server, options, peers, measurements)
    if "cpu" in options.parts:
        log_progress("CPU beside bare boto3 ...")
        measurements["cpu"] = cpu.measure(server, 2 if quick else 10)
    if "growth" in options.parts:
        count = 20 if quick else 100
        log_progress("payload sizes ...")
        measurements["payloads"] = growth.payloads(server, count)
        log_progress("tasks stored before ...")
        measurements["stored"] = growth.stored(server, count, growth.QUICK_STORED if quick else growth.STORED)
    if "dag" in options.parts:
        log_progress("workflows ...")
        sizes = dag.QUICK_SIZES if quick else dag.SIZES
        measurements["dag"] = dag.measure(server, sizes)
        measurements["dagEdges"] = dag.per_edge(measurements["dag"])
        measurements["transitions"] = dag.transitions(server, sizes)


def rounds(server: Server, options: argparse.Namespace, peers: bool, measurements: dict[str, Any]) -> None:
    """Every contender in turn, so many times."""
    size = QUICK if options.quick else Size()
    measurements |= {"rounds": options.rounds, "tasks": size.tasks, "load": [], "played": []}
    for number in range(options.rounds):
        played: dict[str, Any] = {}
        measurements["load"].append(os.getloadavg()[0])
        for contender in all_contenders(peers=peers):
            if not options.only(contender.name):
                continue
            began = time.monotonic()
            try:
                played[contender.name] = play(server, contender, size)
                status = f"{played[contender.name]['tasksPerSecond']:.0f} tasks/s"
                if not played[contender.name]["finished"]:
                    measurements["problems"][contender.title] = f"not done within {size.patience:.0f} s"
            except ContenderFailed as failed:
                measurements["problems"][contender.title] = status = f"failed: {failed}"
            log_progress(
                f"round {number + 1}/{options.rounds}: {contender.title}: {status} ({time.monotonic() - began:.0f} s)"
            )
        measurements["played"].append(played)
    measurements["contenders"] = results.contenders(measurements["played"])


def write(measurements: dict[str, Any], place: Path) -> list[Path]:
    """`place`: without a suffix, or with either of the two."""
    stem = place.with_suffix("") if place.suffix in (".md", ".json") else place
    stem.parent.mkdir(parents=True, exist_ok=True)
    cold_start = json.loads(COLD_START.read_text())
    link = os.path.relpath(COLD_START.with_suffix(".md"), stem.parent.resolve())
    paths = [stem.with_suffix(".md"), stem.with_suffix(".json")]
    paths[0].write_text(markdown(measurements, cold_start, link))
    paths[1].write_text(json.dumps(measurements, indent=1) + "\n")
    return paths


def log_progress(line: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
