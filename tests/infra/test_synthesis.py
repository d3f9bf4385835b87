"""Synthesis: clean, offline, and not repeated without need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import app
from app import ENVIRONMENTS as CONFIGURED
from infra.build import routes
from infra.build.locations import ROOT
from infra.build.requirements import LAMBDA, MissingWheelError
from infra.node import use_bundled_node
from infra.synthesis import UnknownEnvironmentError
from local.template.cloud_assembly import CloudAssemblyError, error_summary, synthesize
from tests.infra.conftest import ENVIRONMENTS, Synthesis


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_synthesizes_offline_and_cdk_nag_finds_nothing(syntheses: Mapping[str, Synthesis], name: str) -> None:
    done = syntheses[name]
    assert done.ran.returncode == 0, done.ran.stderr
    assert Path(done.ran.stdout.strip()) == done.template


def test_cfn_lint_finds_nothing(syntheses: Mapping[str, Synthesis], offline: Mapping[str, str]) -> None:
    templates = [str(done.template) for done in syntheses.values()]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    ran = subprocess.run(command, env=dict(offline), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_nothing_changed_so_nothing_is_written(syntheses: Mapping[str, Synthesis], offline: Mapping[str, str]) -> None:
    template = syntheses["dev"].template
    before = template.stat().st_mtime_ns
    command = [sys.executable, "app.py", "--out", str(template.parent)]
    # Without a Node the synthesis would fail: it is not tried.
    environment = {**offline, "JSII_NODE": os.devnull}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, str(template)), ran.stderr
    assert template.stat().st_mtime_ns == before


def test_an_unknown_environment_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert app.main(["--env", "staging", "--out", str(tmp_path)], {}) == 2
    assert "'staging'" in capsys.readouterr().err
    assert UnknownEnvironmentError("staging", CONFIGURED).known == ("dev", "prod")


def test_the_cdk_cli_chooses_the_environment_by_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps({"env": "staging"})}
    assert app.main([], told) == 2
    assert "'staging'" in capsys.readouterr().err


def test_a_layer_that_cannot_be_built_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(pools: object) -> None:
        raise MissingWheelError("planted", LAMBDA, "uv's words")

    use_bundled_node()
    monkeypatch.setattr("infra.taskyard.build_pools", build)
    assert app.main(["--out", str(tmp_path)], {}) == 1
    assert capsys.readouterr().err.startswith("planted has no wheel for Lambda")


def test_a_failure_is_one_line_first_with_the_place_in_our_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Queue2 initialization failed:\n- retention must be\n  between 60 and 1,209,600")

    use_bundled_node()
    monkeypatch.setattr("infra.taskyard.build_pools", fail)
    assert app.main(["--out", str(tmp_path)], {}) == 1
    first, *rest = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("synthesizing")]
    line = next(at for at, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "RuntimeError(" in text)
    where = f"tests/infra/test_synthesis.py:{line}"
    said = "RuntimeError: Queue2 initialization failed: - retention must be between 60 and 1,209,600"
    assert first == f"synthesis of dev failed at {where}: {said}"
    assert any("Traceback" in text for text in rest)


TRACEBACK = "Traceback (most recent call last):\n  File app.py\n    import infra\nSyntaxError: '(' was never closed\n"


@pytest.mark.parametrize(
    ("errors", "line"),
    [
        (
            f"synthesizing dev ...\nsynthesis of dev failed at a:1: X: y\n\n{TRACEBACK}",
            "synthesis of dev failed at a:1: X: y",
        ),
        (TRACEBACK, "SyntaxError: '(' was never closed"),
        (f"{TRACEBACK}    at Kernel (jsii)\n\n", "SyntaxError: '(' was never closed"),
        ("no environment 'x': known are dev, prod\n", "no environment 'x': known are dev, prod"),
        ("", "synthesis failed without a message"),
    ],
)
def test_a_local_start_shows_why_the_synthesis_failed_first(errors: str, line: str) -> None:
    assert error_summary(errors) == line


def test_a_local_start_keeps_the_whole_output_behind_it() -> None:
    with pytest.raises(CloudAssemblyError) as failed:
        synthesize("staging")
    first, *_ = str(failed.value).splitlines()
    assert first.startswith("no environment 'staging'")


def test_routes_that_cannot_be_imported_are_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("infra.build.assets.BUILD", tmp_path)
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: planted")
    monkeypatch.setattr(routes, "run_module", lambda *arguments, **options: failed)
    with pytest.raises(routes.RoutesError, match="the routes cannot be imported: ImportError: planted"):
        routes.build_routes()
