"""What runs on our machines before anything of ours does: actions of the CI, and what installs the rest."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from infra.build.locations import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


def program(name: str) -> ModuleType:
    """A program of .ci/, which is no package."""
    specification = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def setup() -> ModuleType:
    return program("setup")


@pytest.fixture
def audit() -> ModuleType:
    return program("audit")


@pytest.fixture
def sbom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Writes into a folder of the test."""
    module = program("sbom")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit(path: Path) -> None:
    used = re.findall(r"uses:\s*(\S+)", path.read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_the_code_and_nothing_else(path: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        checkouts = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


def test_uv_is_installed_by_the_hashes_of_the_lock(setup: ModuleType) -> None:
    entry = setup.requirement("uv")
    assert re.match(r"uv==[\d.]+ \\\n", entry)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)) >= 10
    assert entry in setup.LOCK.read_text()


def test_all_that_comes_from_a_registry_is_held_to_hashes(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def note(command: list[Any], **_: Any) -> None:
        commands.append([str(part) for part in command])
        (tmp_path / "venv").mkdir(exist_ok=True)

    monkeypatch.setattr(setup, "VENV", tmp_path / "venv")
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(setup.subprocess, "run", note)
    setup.install("digest")
    installs = [command for command in commands if "install" in command]
    ours = [command for command in installs if command[-2:] == ["-e", "."]]
    assert len(installs) == 3
    assert [("--no-deps" in command, "--no-build-isolation" in command) for command in ours] == [(True, True)]
    for command in installs:
        if command not in ours:
            assert "--require-hashes" in command
            assert "--hash=sha256:" in Path(command[-1]).read_text()


SAFE = {"name": "safe", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2"], "aliases": []}]}
SKIPPED = {"name": "skipped", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "stderr", "codes", "text"),
    [
        ([SAFE], "", (0, 0), "0 known vulnerabilities in 1 packages"),
        ([SAFE, BAD], "", (1, 1), "bad 1: CVE-2026-1, mended in 2"),
        ([SKIPPED, BAD], "", (1, 1), "NOT AUDITED: 1 packages"),
        ([SAFE, SKIPPED], "", (0, 0), "NOT AUDITED: 1 packages"),
        ([SKIPPED, SKIPPED], "", (0, 2), "NOT AUDITED: requirements/x.txt: the database of vulnerabilities"),
        (None, "ConnectionError: Could not connect to PyPI's vulnerability feed", (0, 2), "NOT AUDITED"),
        (None, "Max retries exceeded with url: /v1/query", (0, 2), "NOT AUDITED"),
        (None, "requirement has no hash", (1, 1), "pip-audit failed: requirement has no hash"),
        (None, "", (1, 1), "pip-audit said nothing"),
    ],
)
def test_audit_fails_by_what_the_database_says_and_is_loud_without_it(
    audit: ModuleType, packages: list[Any] | None, stderr: str, codes: tuple[int, int], text: str
) -> None:
    stdout = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    outcome = audit.outcome_of(stdout, stderr)
    assert (audit.exit_code([outcome], required=False), audit.exit_code([outcome], required=True)) == codes
    assert text in audit.report("x.txt", outcome)


def test_audit_looks_at_every_lock(audit: ModuleType) -> None:
    assert set(audit.LOCKS) == {path.name for path in (ROOT / "requirements").glob("*.txt")}


def test_bill_of_materials_names_what_the_locks_hold(sbom: ModuleType, tmp_path: Path) -> None:
    assert sbom.main() == 0
    functions, wheel = (json.loads((tmp_path / f"{name}.cdx.json").read_text()) for name in ("functions", "wheel"))
    for made, lock in ((functions, "functions.txt"), (wheel, "dev.txt")):
        locked = (ROOT / "requirements" / lock).read_text()
        assert made["bomFormat"] == "CycloneDX"
        assert made["components"]
        for component in made["components"]:
            assert re.search(rf"^{component['name']}=={re.escape(component['version'])}\b", locked, re.MULTILINE)
            assert component["externalReferences"][0]["hashes"], component["name"]
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "functions.txt").read_text(), re.MULTILINE)
    assert {component["name"] for component in functions["components"]} == set(names)
    assert {"httpx", "httpcore", "h11", "rich", "botocore", "aws-cdk-lib"} <= {
        each["name"] for each in wheel["components"]
    }
    assert "pytest" not in {each["name"] for each in wheel["components"]}
    assert wheel["metadata"]["component"]["name"] == "taskyard"
    assert wheel["metadata"]["component"]["version"]


def test_bill_of_materials_is_the_same_each_time(sbom: ModuleType, tmp_path: Path) -> None:
    sbom.main()
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    sbom.main()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_ci_audits_and_writes_the_bill_of_materials() -> None:
    assert {"make audit", "make sbom"} <= set((ROOT / ".ci" / "run").read_text().splitlines())
