"""A wrong task file, or config, stops synth, `make local`, `make demo` and deploy before they do anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import CONFIGS
from infra.build.layers import build_local_layer
from infra.build.locations import LOCK_FILE, ROOT
from infra.build.pool_types import InvalidTaskFilesError
from infra.build.pools import build_pools, default_pool
from infra.config import InvalidConfigError, check_config

WRONG = """\
from taskyard.tasks.declaration import task

@task("A", timeout_seconds=2400)
def handler(ctx, payload: dict): ...
"""
FIRST = (
    "functions/tasks/wrong.py:3: timeout_seconds is 2400, but an attempt may run 50 s here: lower it, or raise "
    "worker_timeout_seconds to 2410 (at most 900)"
)
PYTHON = [sys.executable]
COMMANDS = {
    "make synth": ["app.py"],
    "make local": ["-m", "local", "serve", "--port", "0"],
    "make demo": ["-m", "local", "demo"],
    "make deploy": ["app.py"],
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of this one, with a task file that is wrong."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("functions", "infra", "local", "client", "requirements", "events"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, copy)
    (copy / "functions" / "tasks" / "wrong.py").write_text(WRONG)
    # What the check imports from: built here once, not in the copy with a line of progress.
    layer = build_local_layer(LOCK_FILE)
    (copy / ".build" / "local-layer").mkdir(parents=True)
    (copy / ".build" / "local-layer" / layer.name).symlink_to(layer)
    yield copy
    shutil.rmtree(copy)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_task_file_stops_every_command_with_the_fault_first(checkout: Path, command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{checkout}:{checkout / 'client'}"}
    if command == "make deploy":
        # As the CDK's command runs the app.
        environment["CDK_OUTDIR"] = str(checkout / "cdk.out")
    ran = subprocess.run(
        [*PYTHON, *COMMANDS[command]], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert FIRST in (ran.stderr or ran.stdout.strip().splitlines()[-1]).splitlines()[0]
    assert not list(checkout.glob("cdk.out/*.template.json"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import os\nos._exit(7)\n", "pool default: importing the task files ends the process (7): "),
        ("print('not a fault')\nimport nothing_here\n", "functions/tasks/wrong.py:2: it cannot be imported"),
        # In the developer's environment, and not in the layer.
        ("import yaml\n", "functions/tasks/wrong.py:1: it cannot be imported"),
        ("import pytest\n", "functions/tasks/wrong.py:1: it cannot be imported"),
    ],
)
def test_check_of_a_file_that_does_something_at_import_says_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.setattr("infra.build.code_assets.ROOT", checkout)
    file = checkout / "functions" / "tasks" / "wrong.py"
    before = file.read_text()
    file.write_text(text)
    try:
        with pytest.raises(InvalidTaskFilesError) as wrong:
            build_pools([default_pool(timeout_seconds=60)])
    finally:
        file.write_text(before)
    assert wrong.value.faults.startswith(fault)


@pytest.mark.parametrize("environment", CONFIGS)
def test_shipped_task_files_fit_every_environment(environment: str) -> None:
    build_pools([default_pool(timeout_seconds=CONFIGS[environment].worker_timeout_seconds)])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("worker_timeout_seconds", 901, "must be 15 to 900 (Lambda"),
        ("worker_timeout_seconds", 2400, "must be 15 to 900 (Lambda"),
        ("worker_timeout_seconds", 14, "must be 15 to 900 (Lambda"),
        ("worker_memory", 64, "must be 128 to 10240 (Lambda)"),
        ("worker_memory", 20_000, "must be 128 to 10240 (Lambda)"),
        ("retention_days", 0, "must be 1 to 3650"),
        ("throttle_rate", 0, "must be 1 to"),
        ("throttle_burst", 0, "must be 1 to"),
        ("log_retention_days", 8, "CloudWatch takes [1, 3, 5"),
        ("listing_shards", 0, "must be 1 to 100"),
        ("observer_batch", 10_001, "must be 1 to 10000"),
        ("observer_window_seconds", 301, "must be 0 to 300"),
    ],
)
def test_config_value_that_would_be_cut_or_refused_is_told_first(field: str, value: int, words: str) -> None:
    wrong = replace(CONFIGS["dev"], **{field: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError) as refused:
        check_config(wrong)
    assert str(refused.value).startswith(f"dev: {field} is {value}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize("workers", [1, 1001])
def test_config_lane_that_event_sources_refuse_is_told_first(workers: int) -> None:
    lanes = tuple(replace(lane, max_concurrency=workers) for lane in CONFIGS["dev"].lanes[:1])
    wrong = replace(CONFIGS["dev"], lanes=lanes)
    with pytest.raises(InvalidConfigError, match=f"dev: lane high: max_concurrency is {workers}: it must be 2 to 1000"):
        check_config(wrong)
