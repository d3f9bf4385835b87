"""Each app of examples/: its own tests pass, its app.py is synthesized, and its tasks run on the local system."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from taskyard import AsyncTaskyard, Taskyard
from taskyard.files import workflow_file
from uv import find_uv_bin

from infra.build.layers import build_local_layer
from infra.build.locations import BUILD, LOCK_FILE
from infra.build.pools import build_pools, default_pool
from local.system import LocalSystem
from local.template.cloud_assembly import CloudAssembly, load
from tests.documents import ROOT
from tests.e2e.callers import token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("examples")]

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/app.py"))
SHARED_BUILDS = ("layer", "local-layer")
"""Directories by the digest of their input, built by the checkout before: to install them again takes a minute."""
MOST_LINES = 20
RECEIPT = {"email": "ada@example.com"}


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """With this checkout's client, and the folder of the example, on the path."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{cwd}:{ROOT}:{ROOT / 'client'}",
        **variables,
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "examples" / name, tmp_path / name)
    for requirements in folder.glob("*.txt"):
        # Into the folder itself, which is on the path.
        options = ("--quiet", "--only-binary", ":all:", "--python", sys.executable, "--target", str(folder))
        installed = run(find_uv_bin(), "pip", "install", *options, "-r", str(requirements), cwd=folder)
        if installed.returncode:
            pytest.skip(f"THE EXAMPLE IS NOT TESTED: {requirements.name} is not in reach: {installed.stderr}")
    ran = run(sys.executable, "-m", "pytest", "-q", "tests", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_app_is_short(name: str) -> None:
    assert len((ROOT / "examples" / name / "app.py").read_text().splitlines()) <= MOST_LINES


def synthesized(name: str, folder: Path) -> CloudAssembly:
    """The example, in a folder of its own."""
    app = shutil.copytree(ROOT / "examples" / name, folder / name)
    # The wheel has infra/ as taskyard.cdk.
    file = app / "app.py"
    file.write_text(file.read_text().replace("from taskyard.cdk import", "from infra import"))
    build_pools([default_pool(timeout_seconds=60)])
    build_local_layer(LOCK_FILE)
    (app / ".build").mkdir()
    for kind in SHARED_BUILDS:
        (app / ".build" / kind).symlink_to(BUILD / kind)
    ran = run(sys.executable, "app.py", cwd=app, CDK_OUTDIR="cdk.out")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [template] = (app / "cdk.out").glob("*.template.json")
    return load(app / "cdk.out", template.name.split(".")[0])


@contextmanager
def running(name: str, folder: Path) -> Iterator[LocalSystem]:
    """The example on the local system."""
    system = LocalSystem.start(assembly=synthesized(name, folder), seed=1)
    try:
        yield system
    finally:
        system.close()


@pytest.fixture
def deploy(tmp_path: Path, _systems: Any) -> Iterator[Callable[[str], LocalSystem]]:
    """Ends the system that other tests of this process share: one runs at a time."""
    _systems.end()
    contexts = []

    def deployed(name: str) -> LocalSystem:
        context = running(name, tmp_path)
        contexts.append(context)
        return context.__enter__()

    yield deployed
    for context in contexts:
        context.__exit__(None, None, None)


def test_images_workers_may_use_the_bucket_and_no_other_role_may(tmp_path: Path) -> None:
    resources = synthesized("images", tmp_path).template["Resources"]
    [bucket] = [name for name, each in resources.items() if each["Type"] == "AWS::S3::Bucket" and "Uploads" in name]
    policies = {name: json.dumps(each) for name, each in resources.items() if each["Type"] == "AWS::IAM::Policy"}
    granted = [name for name, text in policies.items() if bucket in text and "s3:GetObject" in text]
    assert len(granted) == 1
    assert "images" in granted[0].lower()


def client(system: LocalSystem) -> Taskyard:
    return Taskyard(system.url, token(system))


def test_nightly_report_is_made_by_its_declared_schedule(deploy: Callable[[str], LocalSystem]) -> None:
    system = deploy("nightly_report")
    with client(system) as yard:
        [schedule] = yard.schedules.list()
        assert (schedule.name, schedule.cron, schedule.timezone) == ("nightly", "0 2 * * *", "Europe/Berlin")
        task = yard.schedules.run(schedule.id)
        assert yard.wait(task.id, timeout=60).result == {"orders": 3, "revenue": 59.85}


def test_workflow_file_runs_to_its_end(deploy: Callable[[str], LocalSystem]) -> None:
    with client(deploy("workflow_file")) as yard:
        document = workflow_file.read(str(ROOT / "examples" / "workflow_file" / "etl.yaml"))
        made = yard.workflows.submit_body(json.dumps(document).encode())
        assert yard.workflows.wait(made.id, timeout=60).state == "SUCCESS"
        [load_node] = [node for node in yard.workflows.nodes(made.id) if node.name == "load"]
        assert yard.get(load_node.id).result == {"rows": 15}


@pytest.mark.asyncio
async def test_fastapi_request_submits_its_task_once(
    deploy: Callable[[str], LocalSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="THE EXAMPLE IS NOT TESTED: fastapi is missing; make setup")
    system = deploy("fastapi_app")
    monkeypatch.syspath_prepend(ROOT / "examples" / "fastapi_app")
    import web

    async def yard() -> Any:
        async with AsyncTaskyard(system.url, token(system)) as made:
            yield made

    monkeypatch.setattr(web.web, "dependency_overrides", {web.yard: yard})
    transport = httpx.ASGITransport(web.web)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as browser:
        answers = [await browser.post("/orders/42", json=RECEIPT, headers={"idempotency-key": "1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    [task] = {answer.json()["task"] for answer in answers}
    with client(system) as asked:
        assert asked.get(task).payload == {"order": "42", "email": "ada@example.com"}
