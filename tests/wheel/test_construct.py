"""The construct and the local system, from the wheel, for an app in a folder of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments import CONFIGS
from infra.build.assets import Assets
from infra.build.locations import BUILD, ROOT
from infra.build.pools import build_pools, default_pool
from tests.wheel.environments import VirtualEnvironment

SHARED_BUILDS = ("layer", "local-layer")
"""Directories by the digest of their input, built by the checkout before: to install them again takes a minute."""


def _build() -> Assets:
    """Of the environment that the app is synthesized for, in the checkout."""
    return build_pools([default_pool(timeout_seconds=CONFIGS["dev"].worker_timeout_seconds)]).functions


@pytest.fixture(scope="session")
def app(dev: VirtualEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an app, synthesized: this repository's, which imports the construct from the wheel."""
    folder = tmp_path_factory.mktemp("app")
    for name in ("app.py", "environments.py"):
        if (ROOT / name).exists():
            text = (ROOT / name).read_text()
            (folder / name).write_text(
                text.replace("from infra.", "from taskyard.cdk.").replace("from infra ", "from taskyard.cdk ")
            )
    shutil.copy(ROOT / "cdk.json", folder)
    _build()
    for kind in SHARED_BUILDS:
        (folder / ".build").mkdir(exist_ok=True)
        (folder / ".build" / kind).symlink_to(BUILD / kind)
    ran = dev.run("python", "app.py", "--env", "dev", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_app_synthesized_from_the_wheel_has_the_code_of_the_repository(app: Path) -> None:
    """A directory of code is named by the digest of all its sources. It is in the app's folder."""
    assert [path.name for path in (app / ".build" / "code").iterdir()] == [_build().code.path.name]


def test_app_synthesized_from_the_wheel_writes_nothing_into_the_environment(app: Path, dev: VirtualEnvironment) -> None:
    assert (app / "cdk.out" / "Taskyard-dev.template.json").exists()
    assert not list(dev.runtime().rglob(".build")) + list(dev.runtime().rglob("routes.json"))


@pytest.fixture(scope="session")
def served(app: Path, dev: VirtualEnvironment) -> Iterator[None]:
    """The local system of the app."""
    variables = dev.variables() | {"PYTHONPATH": str(dev.runtime()), "PYTHONUNBUFFERED": "1"}
    command = [dev.python, "-m", "local", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=app, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in lines[-1], "".join(lines)
        yield
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.usefixtures("served")
def test_task_submitted_to_the_local_system_of_the_wheel_runs(app: Path, dev: VirtualEnvironment) -> None:
    command = ("submit", "DELAYED_MESSAGE", "--payload", '{"message": "from the wheel"}', "--wait", "--json")
    ran = dev.run("taskyard", *command, cwd=app)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["result"] == {"message": "from the wheel"}
