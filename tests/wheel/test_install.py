"""The wheel, installed into an environment of its own and used from a folder that holds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import taskyard

from tests.wheel.environments import VirtualEnvironment

HEAVY = ("aws_cdk", "boto3", "botocore", "moto", "pydantic", "rich", "yaml")


def test_base_install_imports_the_client_from_the_wheel(base: VirtualEnvironment, tmp_path: Path) -> None:
    program = "import taskyard; print(taskyard.__version__, taskyard.__file__, taskyard.Taskyard, taskyard.submit)"
    ran = base.run("python", "-W", "error", "-c", program, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    version, file, *_ = ran.stdout.split()
    assert version == taskyard.__version__
    assert Path(file).is_relative_to(base.folder.resolve())


@pytest.mark.parametrize("package", HEAVY)
def test_base_install_is_without_a_heavy_package(base: VirtualEnvironment, tmp_path: Path, package: str) -> None:
    assert base.run("python", "-c", f"import {package}", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--help",), 0, "MISSING_EXTRA"),
        (("--version",), 0, f"taskyard {taskyard.__version__}"),
        (("submit", "--help"), 0, "--payload"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_base_install_shows_help_and_version(
    base: VirtualEnvironment, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ran = base.run("taskyard", *arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (code, "")
    assert words.replace("MISSING_EXTRA", "an extra of the package") in ran.stdout


def missing(extra: str) -> str:
    return f"this needs taskyard[{extra}]: pip install 'taskyard[{extra}]'"


SIGNED = ("--url", "https://abc.execute-api.eu-west-1.amazonaws.com", "--auth", "iam")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ((*SIGNED, "list"), "iam"),
        ((*SIGNED, "submit", "DELAYED_MESSAGE"), "iam"),
        (("dev",), "dev"),
        (("workflow", "graph", "dag.yaml"), "cli"),
        (("--url", "http://127.0.0.1:1", "workflow", "run", "dag.yaml"), "cli"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_command_without_its_extra_names_it_in_one_line(
    base: VirtualEnvironment, tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    (tmp_path / "dag.yaml").write_text("nodes: []\n")
    ran = base.run("taskyard", *arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "", f"taskyard: {missing(extra)}\n")


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        ("taskyard.submit('DELAYED_MESSAGE', function='producer')", "iam"),
        ("taskyard.Taskyard('https://abc.execute-api.eu-west-1.amazonaws.com', 'iam').stats()", "iam"),
        ("from taskyard.cli.text import console_for; console_for()", "cli"),
        ("from taskyard.cli.text import table; table([], 80, (), ())", "cli"),
    ],
)
def test_client_without_its_extra_raises_an_error_that_names_it(
    base: VirtualEnvironment, tmp_path: Path, statement: str, extra: str
) -> None:
    ran = base.run("python", "-c", f"import taskyard\n{statement}", cwd=tmp_path)
    assert ran.stderr.splitlines()[-1] == f"taskyard.extras.MissingExtra: {missing(extra)}"


def test_construct_without_its_extra_names_it(base: VirtualEnvironment, tmp_path: Path) -> None:
    """Configurations are read without the CDK."""
    program = "from taskyard.cdk import Iam; Iam(); from taskyard.cdk import Taskyard"
    ran = base.run("python", "-c", program, cwd=tmp_path)
    assert ran.stderr.splitlines()[-1] == f"ModuleNotFoundError: {missing('cdk')}"
