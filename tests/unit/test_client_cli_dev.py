"""`taskyard dev`: the command that it becomes."""

from __future__ import annotations

import importlib.util

import pytest
from taskyard.cli import main
from taskyard.cli.arguments import build_parser
from taskyard.cli.dev import dev_arguments
from taskyard.cli.exit_codes import ExitCode
from taskyard.local_process import local_command, runtime_folder


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("dev", ["dev", "--port", "4510"]),
        ("dev --port 0 --no-reload", ["dev", "--port", "0", "--no-reload"]),
        (
            "dev --stack Orders -c env=dev -c x=y=z",
            ["dev", "--port", "4510", "--stack", "Orders", "--context", "env=dev", "--context", "x=y=z"],
        ),
    ],
)
def test_dev_passes_its_options_on(line: str, arguments: list[str]) -> None:
    assert dev_arguments(build_parser().parse_args(line.split())) == arguments


def test_dev_runs_the_local_system_of_this_installation() -> None:
    assert (runtime_folder() / "local" / "__main__.py").is_file()
    assert local_command("dev")[-2:] == [str(runtime_folder()), "dev"]


def test_dev_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "moto" else found(name))
    assert main(["dev"]) == ExitCode.MISSING_EXTRA
    assert "pip install 'taskyard[dev]'" in capsys.readouterr().err
