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
from infra import synthesis
from infra.assets import ROOT
from infra.config import UnknownEnvironmentError, config_of
from infra.requirements import LAMBDA, MissingWheelError
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
    with pytest.raises(UnknownEnvironmentError) as error:
        config_of("staging")
    assert error.value.known == ("dev", "prod")


def test_the_cdk_cli_chooses_the_environment_by_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps({"env": "staging"})}
    assert app.main([], told) == 2
    assert "'staging'" in capsys.readouterr().err


def test_a_layer_that_cannot_be_built_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(compiler: object) -> None:
        raise MissingWheelError("planted", LAMBDA, "uv's words")

    monkeypatch.setattr(synthesis, "build_assets", build)
    assert app.main(["--out", str(tmp_path)], {}) == 1
    assert "\nplanted has no wheel for Lambda" in capsys.readouterr().err
