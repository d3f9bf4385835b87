"""`make deploy` and `make destroy`: what they call, with a terminal and without."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from infra.build.locations import ROOT


class Make:
    """Runs a target with a CDK CLI that notes how it is called; what the target depends on is not run."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._cdk = folder / "cdk"
        self._cdk.write_text(f'#!/bin/sh\necho "$@" >> {self._calls}\nexit ${{CDK_EXIT:-0}}\n')
        self._cdk.chmod(0o755)

    def run(self, target: str, *variables: str, terminal: bool = False, cdk_exit: int = 0) -> int:
        command = ["make", "-o", "check", "-o", "setup", target, f"CDK={self._cdk}", *variables]
        environment = os.environ | {"CDK_EXIT": str(cdk_exit)}
        environment.pop("MAKEFLAGS", None)
        if not terminal:
            quiet = {"stdin": subprocess.DEVNULL, "capture_output": True}
            return subprocess.run(command, cwd=ROOT, env=environment, check=False, **quiet).returncode  # type: ignore[call-overload,no-any-return]
        controller, end = pty.openpty()
        try:
            ran = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdin=end, stdout=end, stderr=end)
            return ran.returncode
        finally:
            os.close(controller)
            os.close(end)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return Make(tmp_path)


@pytest.mark.parametrize(
    ("terminal", "variables", "calls"),
    [
        (True, ["ENV=prod"], ["deploy --require-approval broadening -c env=prod"]),
        (False, ["ENV=prod"], ["diff -c env=prod", "deploy --require-approval never -c env=prod"]),
        (True, ["APPROVE=never"], ["diff -c env=dev", "deploy --require-approval never -c env=dev"]),
        (True, ["APPROVE=any-change"], ["deploy --require-approval any-change -c env=dev"]),
    ],
)
def test_a_deployment_asks_where_somebody_can_answer_and_else_shows_the_changes(
    make: Make, terminal: bool, variables: list[str], calls: list[str]
) -> None:
    assert make.run("deploy", *variables, terminal=terminal) == 0
    assert make.calls == calls


def test_changes_that_cannot_be_shown_are_not_deployed(make: Make) -> None:
    assert make.run("deploy", cdk_exit=1) != 0
    assert make.calls == ["diff -c env=dev"]


def test_a_deployment_is_checked_first() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    rules = dict(line.split("##")[0].split(":", 1) for line in lines if "##" in line and not line.startswith("\t"))
    assert rules["deploy"].split() == ["check"]
    assert rules["check"].split() == ["lint"]


def test_an_environment_that_keeps_data_is_not_destroyed_unless_it_is_named(make: Make) -> None:
    assert make.run("destroy", "ENV=prod") != 0
    assert make.calls == []
