"""`make model`: a workload's rates against their limits, and docs/scale.md.

python -m tests.model                                    100, 10,000 and 1,000,000 tasks a second; writes nothing
python -m tests.model --rate 500 --handler-seconds 2     one rate, another workload
python -m tests.model --write docs/scale.md              the page, with the hot keys of a million ids
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from app import CONFIGS
from tests.model.hot_keys import shares
from tests.model.remedies import remedy
from tests.model.report import RATES, as_json, at_rate, ceilings, document, figure, first_ceilings, hot_keys
from tests.model.workload import Workload

IDS = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Scale on paper.")
    parser.add_argument("--rate", type=float, help="tasks a second (default: 100, 10,000 and 1,000,000)")
    parser.add_argument("--handler-seconds", type=float)
    parser.add_argument("--batch", type=float, help="tasks a submit")
    parser.add_argument("--reads", type=float, help="reads a task")
    parser.add_argument("--retries", type=float, help="attempts a task beyond its first")
    parser.add_argument("--nodes", type=float, help="share of tasks that are nodes of workflows")
    parser.add_argument("--timers", type=float, help="share of tasks due in more than 15 minutes")
    parser.add_argument("--tenants", type=int)
    parser.add_argument("--busiest", type=float, help="the busiest tenant's share")
    parser.add_argument("--ids", type=int, default=IDS, help="for the hot keys; 0: none")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page of the default workload")
    options = parser.parse_args()
    if options.write:
        options.write.write_text(document(shares(ids=options.ids), ids=options.ids))
        print(f"written to {options.write}", file=sys.stderr)
        return 0
    work = workload(options)
    rates = [options.rate] if options.rate else list(RATES)
    if options.json:
        print(json.dumps([as_json(work.at(rate), config) for rate in rates for config in CONFIGS.values()], indent=1))
        return 0
    lines = first_ceilings(work)
    for rate in rates:
        lines += at_rate(work.at(rate))
    for config in CONFIGS.values():
        what, met, _ = ceilings(work, config)[0]
        lines.append(f"First ceiling of {config.environment}: {what}, at {figure(met)} tasks/s. {remedy(what)}")
    if options.ids:
        lines += ["", *hot_keys(shares(ids=options.ids), ids=options.ids)]
    print("\n".join(lines))
    return 0


def workload(options: argparse.Namespace) -> Workload:
    overrides = {
        "handler_seconds": options.handler_seconds,
        "tasks_per_request": options.batch,
        "reads_per_task": options.reads,
        "retries_per_task": options.retries,
        "node_share": options.nodes,
        "timer_share": options.timers,
        "tenants": options.tenants,
        "busiest_tenant_share": options.busiest,
    }
    return replace(
        Workload(tasks_per_second=RATES[0]), **{name: it for name, it in overrides.items() if it is not None}
    )


if __name__ == "__main__":
    sys.exit(main())
