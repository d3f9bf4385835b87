"""The two assets: what is in them, that it works, and that the same input is the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore
import pytest

from infra.build import requirements
from infra.build.assets import Assets
from infra.build.bytecode import Compiler, compile_tree, find_compiler
from infra.build.code_assets import TASK_TYPES, TaskTypesError, code_digest, write_task_types
from infra.build.layers import LAYER_LOCK, SERVICES, build_local_layer, layer_digest, prune
from infra.build.locations import LOCK_FILE, ROOT
from infra.build.pools import build_pools, default_pool
from local.functions.layers import layer_directories
from local.template.cloud_assembly import CloudAssemblyError
from tests.infra.template import Template
from tests.infra.wheels import use_only, wheel

MEGABYTE = 1_000_000


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_layer_is_small(assets: Assets) -> None:
    # A budget of this repository, not a limit of Lambda: a dependency that is worth its size raises it.
    assert _size(assets.layer.path) <= 25 * MEGABYTE


def test_the_layer_is_for_arm64(assets: Assets) -> None:
    starts = {path: path.read_bytes()[:20] for path in assets.layer.path.rglob("*") if path.is_file()}
    # ELF: four bytes that name the format, and the machine at byte 18; 183 is 64-bit ARM.
    machines = {path: start[18] for path, start in starts.items() if start.startswith(b"\x7fELF")}
    assert machines
    assert set(machines.values()) == {183}, machines
    extensions = [path.name for path in machines if ".cpython-" in path.name]
    assert all("cpython-313-" in name for name in extensions)


def test_the_layer_holds_the_lock_that_it_was_installed_from(assets: Assets) -> None:
    assert (assets.layer.path / LAYER_LOCK).read_bytes() == LOCK_FILE.read_bytes()


def test_the_pruned_layer_still_makes_a_client_of_every_service(assets: Assets) -> None:
    program = """
import importlib.metadata, sys
import boto3
assert boto3.__file__.startswith(sys.argv[1]), boto3.__file__
session = boto3.Session(region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
for name in sys.argv[2:]:
    session.client(name)
print(importlib.metadata.version("aws-lambda-powertools"))
"""
    site = assets.layer.path / "python"
    # -B: bytecode of this Python would become part of the asset.
    command = [sys.executable, "-B", "-S", "-c", program, str(site), *sorted(SERVICES)]
    ran = subprocess.run(command, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"aws-lambda-powertools=={ran.stdout.strip()}" in (ROOT / "requirements" / "functions.txt").read_text()


def requests_of_services(site: Path, region: str) -> dict[str, str]:
    program = Path(__file__).with_name("requests_of_services.py")
    command = [sys.executable, "-B", "-S", str(program), region, *sorted(SERVICES)]
    ran = subprocess.run(command, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert Path(found["file"]).is_relative_to(site)
    requests: dict[str, str] = found["requests"]
    return requests


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])
def test_the_pruned_layer_makes_the_same_request_of_every_operation(assets: Assets, region: str) -> None:
    whole = requests_of_services(Path(botocore.__file__).parents[1], region)
    assert {name.partition(".")[0] for name in whole} == SERVICES
    assert requests_of_services(assets.layer.path / "python", region) == whole


def test_the_page_of_the_api_keeps_its_files(assets: Assets) -> None:
    shown = assets.layer.path / "python" / "aws_lambda_powertools" / "event_handler" / "openapi" / "swagger_ui"
    assert (shown / "swagger-ui-bundle.min.js").exists()
    assert (shown / "swagger-ui.min.css").exists()


def test_code_asset_holds_the_functions_and_the_handler_api_and_nothing_else(assets: Assets) -> None:
    assert sorted(path.name for path in assets.code.path.iterdir()) == ["functions", "task-types.json", "taskyard"]
    client = ROOT / "client"
    sources = {path.relative_to(ROOT) for path in (ROOT / "functions").rglob("*.py")}
    sources |= {path.relative_to(client) for path in (client / "taskyard" / "tasks").rglob("*.py")}
    sources |= {Path("taskyard/__init__.py")}
    assert {path.relative_to(assets.code.path) for path in assets.code.path.rglob("*.py")} == sources


def test_code_asset_lists_its_task_types_as_the_build_of_it_does_again(assets: Assets, tmp_path: Path) -> None:
    document = json.loads((assets.code.path / TASK_TYPES).read_text())
    assert document["pools"] == {
        "default": {"lanes": ["high", "normal", "low"], "timeoutSeconds": 60, "sharesBase": True}
    }
    listed = document["task_types"]
    files = {path.stem for path in (ROOT / "functions" / "tasks").glob("[!_]*.py")}
    assert {each["module"].rpartition(".")[2] for each in listed} == files
    copy = tmp_path / "code"
    shutil.copytree(assets.code.path, copy)
    (copy / TASK_TYPES).unlink()
    write_task_types(copy, build_local_layer(LOCK_FILE))
    assert (copy / TASK_TYPES).read_bytes() == (assets.code.path / TASK_TYPES).read_bytes()


def test_code_asset_with_a_wrong_task_file_is_not_built(assets: Assets, tmp_path: Path) -> None:
    copy = tmp_path / "code"
    shutil.copytree(assets.code.path, copy)
    (copy / "functions" / "tasks" / "wrong.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(TaskTypesError, match="No module named 'nothing_of_that_name'"):
        write_task_types(copy, build_local_layer(LOCK_FILE))


@pytest.mark.skipif(find_compiler() is None, reason="no Python 3.13 here to compile with")
def test_every_module_is_compiled_as_if_it_stood_where_it_will(assets: Assets) -> None:
    for asset, home in ((assets.code, "/var/task"), (assets.layer, "/opt")):
        modules = list(asset.path.rglob("*.py"))
        assert modules
        for module in modules:
            compiled = module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc"
            assert compiled.exists(), module
            flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
            assert flags == 0b01, "by hash, unchecked"
        some = modules[0]
        text = (some.parent / "__pycache__" / f"{some.stem}.cpython-313.pyc").read_bytes()
        assert f"{home}/{some.relative_to(asset.path)}".encode() in text


@pytest.mark.skipif(find_compiler() is None, reason="no Python 3.13 here to compile with")
def test_bytecode_is_the_same_every_time(assets: Assets, tmp_path: Path) -> None:
    compiler = find_compiler()
    assert compiler is not None
    for name in ("one", "two"):
        copy = tmp_path / name
        shutil.copytree(assets.layer.path / "python" / "pydantic", copy, ignore=shutil.ignore_patterns("__pycache__"))
        compile_tree(compiler, copy, deployed_at="/opt")
    assert _digest(tmp_path / "one") == _digest(tmp_path / "two")


def test_building_again_changes_nothing(assets: Assets) -> None:
    before = [path.stat().st_mtime_ns for path in assets.layer.path.rglob("*.py")]
    assert build_pools([default_pool(timeout_seconds=60)]).functions == assets
    assert [path.stat().st_mtime_ns for path in assets.layer.path.rglob("*.py")] == before


def test_the_template_names_the_assets_and_how_they_were_compiled(template: Template, assets: Assets) -> None:
    assert template.body["Metadata"]["Bytecode"] == assets.bytecode
    manifest = json.loads((template.out / f"Taskyard-{template.environment}.assets.json").read_text())
    (code,) = {function["Code"]["S3Key"] for function in template.of_type("AWS::Lambda::Function").values()}
    source = manifest["files"][code.removesuffix(".zip")]["source"]
    assert (template.out / source["path"] / "functions" / "__init__.py").exists()


def test_pruning_takes_what_is_known_to_be_unused_and_no_package_s_own(tmp_path: Path) -> None:
    for name in (
        "botocore/data/ec2/2016/service-2.json.gz",
        "botocore/data/sqs/2012/service-2.json.gz",
        "botocore/data/endpoints.json",
        "boto3/data/ec2/2016/resources-1.json",
        "boto3/examples/s3.rst",
        "pydantic/v1/main.py",
        "theirs/tests/fixtures.py",
        "theirs/bin/tool",
        "theirs/__init__.pyi",
        ".lock",
        "six-1.dist-info/METADATA",
        "six-1.dist-info/RECORD",
        "bin/jp.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    queue = {"shape": "Queue", "documentation": "A queue."}
    member = {"documentation": {"shape": "String"}}
    described = {"metadata": {"endpointPrefix": "sqs"}, "operations": {"Get": queue}, "members": member}
    described["clientContextParams"] = {"Fast": {"type": "boolean", "documentation": "Read without a default."}}
    service = tmp_path / "botocore/data/sqs/2012/service-2.json.gz"
    service.write_bytes(gzip.compress(json.dumps(described).encode()))
    endpoints = tmp_path / "botocore/data/endpoints.json"
    endpoints.write_text(json.dumps({"partitions": [{"partition": "aws", "services": {"ec2": {}, "sqs": {"a": 1}}}]}))
    prune(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "botocore/data/sqs/2012/service-2.json.gz",
        "botocore/data/endpoints.json",
        "six-1.dist-info/METADATA",
        "theirs/tests/fixtures.py",
        "theirs/bin/tool",
        "theirs/__init__.pyi",
    }
    assert json.loads(endpoints.read_text()) == {"partitions": [{"partition": "aws", "services": {"sqs": {"a": 1}}}]}
    left = json.loads(gzip.decompress(service.read_bytes()))
    parameters = {"Fast": {"type": "boolean", "documentation": ""}}
    assert left == described | {"operations": {"Get": {"shape": "Queue"}}, "clientContextParams": parameters}


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock that pins one package, made by hand, which has no botocore with it; what is built stays in `tmp_path`."""
    for module in ("assets", "layers"):
        monkeypatch.setattr(f"infra.build.{module}.BUILD", tmp_path / "build")
    use_only(tmp_path / "wheels", monkeypatch)
    lock = tmp_path / LAYER_LOCK
    lock.write_text(wheel(tmp_path / "wheels", "planted", "py3-none-any"))
    return lock


def test_the_local_layer_holds_what_the_lock_pins(planted: Path) -> None:
    assert {path.name for path in build_local_layer(planted).iterdir()} == {"planted.py", "planted-1.0.dist-info"}


def test_the_local_layer_is_built_once_for_each_lock(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = []

    def install(lock: Path, *others: Any) -> None:
        installed.append(lock.read_text())
        requirements.install(lock, *others)

    monkeypatch.setattr("infra.build.layers.install", install)
    with ThreadPoolExecutor(4) as threads:
        (first,) = set(threads.map(build_local_layer, [planted] * 4))
    before = planted.read_text()
    planted.write_text(wheel(tmp_path / "wheels", "planted", "py3-none-any", version="2.0"))
    second = build_local_layer(planted)
    assert (second / "planted.py").read_text() != (first / "planted.py").read_text()
    planted.write_text(before)
    assert build_local_layer(planted) == first
    assert len(installed) == 2


def test_a_local_layer_that_cannot_be_installed_leaves_none(planted: Path, tmp_path: Path) -> None:
    pin = planted.read_text()
    planted.write_text(pin + "\n" + wheel(tmp_path / "wheels", "other", "py3-none-win_amd64"))
    with pytest.raises(CloudAssemblyError, match=r"^other has no wheel for this machine"):
        layer_directories([planted.parent])
    assert [*(tmp_path / "build" / "local-layer").iterdir()] == []
    planted.write_text(pin)
    assert (layer_directories([planted.parent])[0] / "planted.py").exists()


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.pyc")):
        total.update(path.read_bytes())
    return total.hexdigest()


def test_a_python_that_is_named_right_but_does_not_run_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = find_compiler()
    assert found is None or found.executable != str(shim)
    assert found is None or found.version.startswith("3.13.")


def test_the_hash_of_an_asset_follows_what_is_in_it_and_who_compiled_it() -> None:
    compiler = Compiler(executable="/python", version="3.13.1")
    sources = {"functions/a.py": b"1"}
    hashes = [
        code_digest(sources, b"a==1", compiler),
        code_digest(sources, b"a==1", None),
        code_digest(sources, b"a==2", compiler),
        code_digest({"functions/a.py": b"2"}, b"a==1", compiler),
        code_digest({"functions/b.py": b"1"}, b"a==1", compiler),
        layer_digest(b"a==1", compiler),
        layer_digest(b"a==2", compiler),
        layer_digest(b"a==1", None),
    ]
    assert len(set(hashes)) == len(hashes)
    assert code_digest(dict(sources), b"a==1", Compiler(executable="/elsewhere", version="3.13.1")) == hashes[0]
