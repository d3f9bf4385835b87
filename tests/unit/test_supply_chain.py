"""What runs on our machines before anything of ours does: actions of the CI, and what installs the rest."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from infra.build.locations import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


@pytest.fixture
def setup() -> ModuleType:
    specification = importlib.util.spec_from_file_location("setup_environment", ROOT / ".ci" / "setup.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
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
