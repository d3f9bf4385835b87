"""Look the locked packages up in the database of known vulnerabilities, with pip-audit. Run by `make audit`.

Exit code 1: a package has a known vulnerability, or pip-audit itself failed. Without an answer of the database
(offline, or a mirror of PyPI that has no such data) nothing is known, which is said in capitals; the exit code is 0
then, as a build without network is no worse for it. `--require` makes it 2.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("functions.txt", "dev.txt")
UNREACHABLE = ("ConnectionError", "Could not connect", "Max retries exceeded", "Timeout", "ServiceError")
"""What pip-audit's last words hold when the database did not answer."""


@dataclass(frozen=True)
class Outcome:
    """Of one lock file. `audited`, `skipped`: numbers of packages with and without an answer. `error`: pip-audit's last
    words, if it did not get to a report."""

    vulnerabilities: tuple[str, ...] = ()
    audited: int = 0
    skipped: int = 0
    error: str | None = None

    @property
    def is_unreachable(self) -> bool:
        if self.error is not None:
            return any(word in self.error for word in UNREACHABLE)
        return self.skipped > 0 and self.audited == 0

    @property
    def has_failed(self) -> bool:
        return bool(self.vulnerabilities) or (self.error is not None and not self.is_unreachable)


def outcome_of(stdout: str, stderr: str) -> Outcome:
    """Of pip-audit's report as JSON, or of its failure."""
    try:
        report: dict[str, Any] = json.loads(stdout)
    except ValueError:
        return Outcome(error=stderr.strip()[-500:] or "pip-audit said nothing")
    packages = report["dependencies"]
    return Outcome(
        vulnerabilities=tuple(
            f"{each['name']} {each['version']}: {vulnerability['id']}"
            + (f", mended in {', '.join(vulnerability['fix_versions'])}" if vulnerability["fix_versions"] else "")
            for each in packages
            for vulnerability in each.get("vulns", ())
        ),
        audited=sum("vulns" in each for each in packages),
        skipped=sum("skip_reason" in each for each in packages),
    )


def audit(lock: Path) -> Outcome:
    # The locks hold every package with its hashes: nothing is resolved or installed.
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    ran = subprocess.run([*command, "-f", "json", "-r", str(lock)], capture_output=True, text=True, check=False)
    return outcome_of(ran.stdout, ran.stderr)


def report(name: str, outcome: Outcome) -> str:
    if outcome.is_unreachable:
        why = outcome.error or f"it has no answer for any of {outcome.skipped} packages"
        return f"NOT AUDITED: requirements/{name}: the database of vulnerabilities could not be reached: {why}"
    if outcome.error is not None:
        return f"requirements/{name}: pip-audit failed: {outcome.error}"
    lines = [f"requirements/{name}: {len(outcome.vulnerabilities)} known vulnerabilities in {outcome.audited} packages"]
    if outcome.skipped:
        lines.append(f"NOT AUDITED: {outcome.skipped} packages of requirements/{name}: the database has no answer")
    return "\n".join([*lines, *(f"  {each}" for each in outcome.vulnerabilities)])


def exit_code(outcomes: list[Outcome], *, required: bool) -> int:
    if any(each.has_failed for each in outcomes):
        return 1
    return 2 if required and any(each.is_unreachable for each in outcomes) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", nargs="*", default=LOCKS, help="files of requirements/")
    parser.add_argument("--require", action="store_true", help="exit code 2 when the database cannot be reached")
    options = parser.parse_args()
    outcomes = []
    for name in options.locks:
        outcomes.append(audit(ROOT / "requirements" / name))
        print(report(name, outcomes[-1]), flush=True)
    return exit_code(outcomes, required=options.require)


if __name__ == "__main__":
    sys.exit(main())
