"""What was measured, as markdown and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench_init.measure import BASELINE, LAYERED, Measured, Spread, ratio
from tests.bench_init.staging import Staged, size

TARGETS = {"worker": 1.2, "api": 1.5}
OTHER_TARGET = 1.1
LAYER_LIMIT = 25_000_000
"""Bytes, unpacked."""

ImportTree = Mapping[str, tuple[float, float, int]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """`worst`: the function with the highest ratio; `tree`: its imports without what the baseline imports too."""

    staged: Staged
    found: Mapping[str, Measured]
    rounds: int
    date: str
    machine: str
    worst: str
    tree: ImportTree

    def functions(self) -> list[str]:
        return [name for name in self.found if name not in (BASELINE, LAYERED)]

    def ratio(self, name: str, stage: str, *, cpu: bool = True) -> Spread:
        return ratio(self.found[name], self.found[BASELINE], stage, cpu=cpu)

    def sizes(self) -> dict[str, int]:
        assets = self.staged.assets
        return {"code": size(assets.code.path), "layer": size(assets.layer.path)}

    def document(self) -> dict[str, Any]:
        """For programs."""

        def figures(name: str) -> dict[str, Any]:
            return {
                stage: {
                    "cpuRatio": rounded(self.ratio(name, stage)),
                    "wallRatio": rounded(self.ratio(name, stage, cpu=False)),
                    "cpuMs": rounded(Spread.of(cpu for _, cpu in times)),
                    "wallMs": rounded(Spread.of(wall for wall, _ in times)),
                }
                for stage, times in self.found[name].stages.items()
            }

        return {
            "date": self.date,
            "machine": self.machine,
            "python": self.staged.python.version,
            "rounds": self.rounds,
            "bytecode": self.staged.assets.bytecode,
            "bytes": self.sizes(),
            "targets": {name: target(name) for name in self.functions()},
            "measured": {name: figures(name) | {"modules": self.found[name].modules} for name in self.found},
            "worst": self.worst,
        }

    def markdown(self) -> str:
        return "\n".join([*self.head(), *self.ratios(), *self.first_tasks(), *self.packages(), *self.imported(), ""])

    def head(self) -> list[str]:
        python = self.staged.python.version
        runs_on = (
            "the Python that Lambda runs"
            if self.staged.is_runtime
            else "NOT the runtime's 3.13, of which there is none on this machine"
        )
        base = self.found[BASELINE].stages["init"]
        wall, cpu = Spread.of(wall for wall, _ in base), Spread.of(cpu for _, cpu in base)
        return [
            "# Cold start",
            "",
            "`make bench-init` writes this page; do not edit it.",
            "",
            f"{self.date}, {self.machine}, Python {python}: {runs_on}. Each figure is the median of {self.rounds} "
            "interleaved rounds, each in a fresh interpreter with warm bytecode and file caches; in brackets the "
            "quartiles of the rounds' own ratios.",
            "",
            '- **1.00** is `import boto3; boto3.client("dynamodb")` with boto3 as PyPI has it, compiled: '
            f"{cpu.median:.0f} ms of CPU, {wall.median:.0f} ms of wall time here.",
            "- **Measured** is the staged code asset with the locked versions of the layer. They are installed for the "
            "processor of this machine, because the wheels of the layer are for arm64, and pruned and"
            " compiled by the same "
            "functions. Each function has the environment of the dev template. There is no network. The start of "
            "the interpreter is in neither figure.",
            "- **Init** is importing the handler's module and making its first client. **Assembled** adds"
            " the services that "
            "it builds on its first invocation, including its second client.",
            "- The target applies to CPU time, which other programs on the machine disturb less than wall time.",
            "",
        ]

    def ratios(self) -> list[str]:
        lines = [
            "| function | init, CPU | target | | init, wall | to boto3 of the layer | assembled, CPU | modules |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name in self.functions():
            init = self.ratio(name, "init")
            lines.append(
                f"| {name} | **{init.median:.2f}** ({init.low:.2f}–{init.high:.2f}) | ≤ {target(name):.1f} "
                f"| {'met' if round(init.median, 2) <= target(name) else '**missed**'} "
                f"| {bracketed(self.ratio(name, 'init', cpu=False))} "
                f"| {ratio(self.found[name], self.found[LAYERED], 'init', cpu=True).median:.2f} "
                f"| {self.ratio(name, 'assembled').median:.2f} | {self.found[name].modules} |"
            )
        layered = self.ratio(LAYERED, "init")
        lines += [
            f"| *boto3 of the layer* | {bracketed(layered)} | | "
            f"| {bracketed(self.ratio(LAYERED, 'init', cpu=False))} | 1.00 | | {self.found[LAYERED].modules} |",
            "",
            "The last line is boto3 imported from the layer, which is faster because the layer is pruned:"
            " botocore's data "
            "is there without documentation and without endpoints of unused services. The sixth column compares with "
            "it. Two other things make the functions faster. Clients come from botocore's session, because importing "
            "boto3 adds resources and transfers that are not used. And an init imports only what it needs "
            "(tests/unit/test_imports.py checks this).",
            "",
        ]
        return lines

    def first_tasks(self) -> list[str]:
        lines = [
            "## First task",
            "",
            "Part of the work is left to the first task. The first task of a worker reads task-types.json, imports one "
            "handler and parses a payload (pydantic). The first submit of the api needs the same and its own "
            "models. A function that only reads, and a worker that only hands wake-ups back, never need it. In total, "
            "from the first import on:",
            "",
            "| function | first task parsed, CPU | wall |",
            "|---|---|---|",
        ]
        for name in self.functions():
            if "first task" in self.found[name].stages:
                cpu, wall = self.ratio(name, "first task"), self.ratio(name, "first task", cpu=False)
                lines.append(f"| {name} | **{cpu.median:.2f}** ({cpu.low:.2f}–{cpu.high:.2f}) | {bracketed(wall)} |")
        return [*lines, ""]

    def packages(self) -> list[str]:
        sizes = self.sizes()
        verdict = "met" if sizes["layer"] <= LAYER_LIMIT else "**missed**"
        return [
            "## Packages, unpacked",
            "",
            "| asset | MB | target |",
            "|---|---|---|",
            f"| code | {sizes['code'] / 1e6:.2f} | |",
            f"| layer | {sizes['layer'] / 1e6:.1f} | ≤ {LAYER_LIMIT / 1e6:.0f}: {verdict} |",
            "",
            f"Bytecode in both: {self.staged.assets.bytecode}. The same lock file as PyPI has it, compiled, is "
            f"{size(self.staged.stock) / 1e6:.0f} MB.",
            "",
        ]

    def imported(self) -> list[str]:
        total = sum(own for own, _, _ in self.tree.values())
        groups: dict[str, list[float]] = defaultdict(list)
        for module, (own, _, _) in self.tree.items():
            groups[group(module)].append(own)
        lines = [
            f"## The import tree of the worst: {self.worst}",
            "",
            f"`-X importtime` of its init, the least of five runs, without the modules that the baseline imports too: "
            f"{len(self.tree)} modules, {total:.0f} ms under that instrument (which slows imports down).",
            "",
            "| package | modules | ms, own |",
            "|---|---|---|",
        ]
        by_cost = sorted(groups.items(), key=lambda item: -sum(item[1]))
        lines += [f"| {name} | {len(times)} | {sum(times):.1f} |" for name, times in by_cost[:12]]
        lines += ["", "| module | ms, own | ms, with what it imports first |", "|---|---|---|"]
        heaviest = sorted(self.tree.items(), key=lambda item: -item[1][0])[:20]
        lines += [f"| {module} | {own:.1f} | {cumulative:.1f} |" for module, (own, cumulative, _) in heaviest]
        return lines


def target(name: str) -> float:
    return TARGETS.get(name, OTHER_TARGET)


def group(module: str) -> str:
    """`functions.core` of `functions.core.task`; `asyncio` of `asyncio.base_events`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] in ("functions", "aws_lambda_powertools") else parts[0]


def bracketed(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f}–{spread.high:.2f})"


def rounded(spread: Spread) -> list[float]:
    return [round(value, 3) for value in (spread.low, spread.median, spread.high)]
