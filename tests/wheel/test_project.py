"""What `taskyard init` writes works, with the wheel alone: tests, a synthesis without a network, the local system."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from infra.build.layers import build_local_layer
from infra.build.locations import BUILD, LOCK_FILE
from infra.build.pools import build_pools, default_pool
from tests.wheel.environments import VirtualEnvironment

SHARED_BUILDS = ("layer", "local-layer")
"""Directories by the digest of their input, built by the checkout before: to install them again takes a minute."""
OFFLINE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9") | {"UV_OFFLINE": "1"}


@pytest.fixture(scope="session")
def project(dev: VirtualEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("projects")
    ran = dev.run("taskyard", "init", "orders", cwd=parent)
    assert ran.returncode == 0, ran.stderr
    return parent / "orders"


def make(
    project: Path, dev: VirtualEnvironment, target: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As somebody does whose virtual environment is active."""
    environment = dev.variables() | {"VIRTUAL_ENV": str(dev.folder)} | dict(variables or {})
    command = [str(shutil.which("make")), target]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


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


@pytest.fixture(scope="session")
def synthesized(project: Path, dev: VirtualEnvironment) -> Path:
    """The project, after `make synth` without a network."""
    build_pools([default_pool(timeout_seconds=60)])
    build_local_layer(LOCK_FILE)
    for kind in SHARED_BUILDS:
        (project / ".build").mkdir(exist_ok=True)
        (project / ".build" / kind).symlink_to(BUILD / kind)
    ran = make(project, dev, "synth", OFFLINE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return project


def test_project_synthesized_offline_deploys_its_task_types_beside_the_built_in_ones(synthesized: Path) -> None:
    assert (synthesized / "cdk.out" / "Orders-dev.template.json").exists()
    [document] = {file.read_text() for file in synthesized.glob("cdk.out/*/task-types.json")}
    names = {each["name"] for each in json.loads(document)["task_types"]}
    assert {"GREET", "SEND_EMAIL", "WEBHOOK_CALL"} <= names


def test_project_synthesized_keeps_its_builds_in_its_own_folder(synthesized: Path, dev: VirtualEnvironment) -> None:
    assert list((synthesized / ".build" / "code").iterdir())
    assert not [*dev.runtime().rglob(".build"), *dev.runtime().rglob("routes.json")]


@pytest.fixture(scope="session")
def served(synthesized: Path, dev: VirtualEnvironment) -> Iterator[None]:
    """`taskyard dev`, with the project's app."""
    command = [dev.folder / "bin" / "taskyard", "dev", "--port", "0"]
    variables = dev.variables() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=synthesized, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        assert lines, process.wait()
        assert "Ctrl-C" in lines[-1], "".join(lines)
        yield
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.usefixtures("served")
def test_project_task_submitted_to_its_local_system_runs(synthesized: Path, dev: VirtualEnvironment) -> None:
    ran = dev.run("taskyard", "submit", "GREET", "--payload", '{"name": "Ada"}', "--wait", "--json", cwd=synthesized)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["result"] == {"greeting": "Hello, Ada!"}
