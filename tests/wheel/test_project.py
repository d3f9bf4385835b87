"""What `taskyard init` writes works, with the wheel alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wheel.environments import VirtualEnvironment


@pytest.fixture(scope="session")
def project(dev: VirtualEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("projects")
    ran = dev.run("taskyard", "init", "orders", cwd=parent)
    assert ran.returncode == 0, ran.stderr
    return parent / "orders"


def make(project: Path, dev: VirtualEnvironment, target: str) -> subprocess.CompletedProcess[str]:
    """As somebody does whose virtual environment is active."""
    variables = dev.variables() | {"VIRTUAL_ENV": str(dev.folder)}
    command = [str(shutil.which("make")), target]
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False, timeout=240)


def test_project_tests_pass(project: Path, dev: VirtualEnvironment) -> None:
    ran = make(project, dev, "test")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_project_requires_the_installed_wheel(project: Path) -> None:
    lines = (project / "requirements-dev.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("taskyard[dev] @ file:///") and line.endswith(".whl")]


def test_project_makefile_lists_its_commands(project: Path, dev: VirtualEnvironment) -> None:
    ran = make(project, dev, "help")
    assert [line.split()[1] for line in ran.stdout.splitlines()] == ["help", "setup", "dev", "test", "synth", "deploy"]
