"""`make bench-init`: what a cold start of each function costs beside a bare boto3 client."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from app import build, stack_name
from infra.build.locations import ROOT
from infra.synthesis import synthesize
from tests.bench_init.measure import BASELINE, imports, measure, variants
from tests.bench_init.report import Report, target
from tests.bench_init.staging import stage
from tests.infra.template import PARTS, read

OUT = ROOT / "docs" / "benchmarks-init.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_init", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="at least 7 (default: 15)")
    parser.add_argument("--out", type=Path, default=OUT, help="markdown; JSON goes beside it")
    arguments = parser.parse_args()
    if arguments.rounds < 7:
        parser.error("medians of fewer than 7 rounds say little")
    staged = stage()
    every = variants(staged, functions(ROOT / "cdk.out"))
    print(f"{arguments.rounds} rounds of {len(every)}, Python {staged.python.version} ...", file=sys.stderr, flush=True)
    found = measure(staged, every, rounds=arguments.rounds)
    by_name = {variant.name: variant for variant in every}
    draft = Report(
        staged=staged,
        found=found,
        rounds=arguments.rounds,
        date=time.strftime("%Y-%m-%d"),
        machine=f"{platform.machine()} with {os.cpu_count()} cores",
        worst="",
        tree={},
    )
    worst = max(draft.functions(), key=lambda name: draft.ratio(name, "init").median)
    known = imports(staged, by_name[BASELINE])
    tree = {name: it for name, it in imports(staged, by_name[worst]).items() if name not in known}
    report = Report(**vars(draft) | {"worst": worst, "tree": tree})
    arguments.out.write_text(report.markdown())
    arguments.out.with_suffix(".json").write_text(json.dumps(report.document(), indent=1) + "\n")
    print(report.markdown())
    missed = [name for name in report.functions() if round(report.ratio(name, "init").median, 2) > target(name)]
    print(f"written to {arguments.out}; {f'missed: {missed}' if missed else 'all targets met'}", file=sys.stderr)
    return 0


def functions(out: Path) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Of the dev template: name → (handler, variables). The workers of all lanes are one code: one stands for them."""
    template = read(synthesize(build, "dev", out, stack=stack_name("dev")), "dev")
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for part in PARTS:
        handler = template.function(part)["Handler"]
        if handler not in [known for known, _ in found.values()]:
            name = "worker" if part.startswith("worker") else part
            found[name] = (handler, template.variables(part))
    return found


if __name__ == "__main__":
    sys.exit(main())
