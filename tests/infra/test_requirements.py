"""The lock: whose wheels it takes, what it says without one, and that it fits both places that install from it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from infra.build import requirements
from infra.build.requirements import LAMBDA, THIS_MACHINE, MissingWheelError, Platform, RequirementsError, install, lock
from tests.infra.wheels import use_only, wheel

OLD_GLIBC = "py3-none-manylinux_2_17_aarch64"
LAMBDAS = "cp313-cp313-manylinux_2_28_aarch64"
TOO_NEW = "cp313-cp313-manylinux_2_39_aarch64"
WINDOWS = "py3-none-win_amd64"
ANYWHERE = "py3-none-any"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the only place where uv finds packages."""
    use_only(tmp_path / "wheels", monkeypatch)
    return tmp_path / "wheels"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For a `requirements` folder."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    return folder


def declare(folder: Path, functions: str, *, tools: str = "") -> None:
    (folder / "functions.in").write_text(f"{functions}\n")
    (folder / "dev.in").write_text(f"-r functions.in\n{tools}\n")


def pins(path: Path) -> list[str]:
    return [line.removesuffix(" \\") for line in path.read_text().splitlines() if "==" in line]


@pytest.mark.parametrize("tag", [OLD_GLIBC, LAMBDAS, ANYWHERE])
def test_a_wheel_that_runs_on_lambda_is_locked_and_installed(folder: Path, wheels: Path, tag: str) -> None:
    wheel(wheels, "planted", tag)
    declare(folder, "planted")
    lock(folder)
    assert pins(folder / "functions.txt") == pins(folder / "dev.txt") == ["planted==1.0"]
    install(folder / "functions.txt", folder / "site", LAMBDA)
    assert (folder / "site" / "planted.py").exists()


@pytest.mark.parametrize("tag", [TOO_NEW, WINDOWS, "cp312-cp312-manylinux_2_28_aarch64"])
def test_a_package_without_a_wheel_for_lambda_is_named_and_nothing_is_written(
    folder: Path, wheels: Path, tag: str
) -> None:
    wheel(wheels, "outer", ANYWHERE, requires="planted")
    wheel(wheels, "planted", tag)
    declare(folder, "outer")
    with pytest.raises(MissingWheelError) as missing:
        lock(folder)
    first = str(missing.value).splitlines()[0]
    assert first.startswith("planted has no wheel for Lambda (Python 3.13, arm64, manylinux_2_28): pin a version")
    assert missing.value.package == "planted"
    assert not (folder / "functions.txt").exists()
    assert not (folder / "dev.txt").exists()


def test_a_package_of_sources_alone_is_refused(folder: Path, wheels: Path) -> None:
    source = folder / "planted-1.0"
    source.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (source / "pyproject.toml").write_text("[project]\nname = 'planted'\nversion = '1.0'\n")
    with tarfile.open(wheels / "planted-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "planted-1.0")
    declare(folder, "planted")
    with pytest.raises(MissingWheelError) as missing:
        lock(folder)
    assert missing.value.package == "planted"


def test_the_newest_version_with_a_wheel_for_lambda_is_locked(folder: Path, wheels: Path) -> None:
    wheel(wheels, "planted", LAMBDAS)
    wheel(wheels, "planted", TOO_NEW, version="2.0")
    wheel(wheels, "planted", WINDOWS, version="3.0")
    declare(folder, "planted")
    lock(folder)
    assert pins(folder / "functions.txt") == pins(folder / "dev.txt") == ["planted==1.0"]


def test_what_an_older_python_needs_besides_is_locked_for_it(folder: Path, wheels: Path) -> None:
    wheel(wheels, "planted", ANYWHERE, requires="backport; python_version < '3.12'")
    wheel(wheels, "backport", ANYWHERE)
    declare(folder, "planted")
    lock(folder)
    assert pins(folder / "functions.txt") == ["backport==1.0 ; python_full_version < '3.12'", "planted==1.0"]


def test_tools_take_the_versions_of_the_functions(folder: Path, wheels: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(wheels, "planted", ANYWHERE, version=version)
    wheel(wheels, "tool", ANYWHERE, requires="planted")
    declare(folder, "planted<2", tools="tool")
    lock(folder)
    assert pins(folder / "functions.txt") == ["planted==1.0"]
    assert pins(folder / "dev.txt") == ["planted==1.0", "tool==1.0"]


def test_a_requirement_that_nobody_offers_is_told_in_uv_s_words(folder: Path, wheels: Path) -> None:
    declare(folder, "planted")
    with pytest.raises(RequirementsError, match="planted") as failure:
        lock(folder)
    assert not isinstance(failure.value, MissingWheelError)
    assert str(failure.value).startswith("the requirements do not resolve for Lambda")


def test_make_lock_says_which_package_and_fails(folder: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(wheels, "planted", WINDOWS)
    declare(folder, "planted")
    assert requirements.main(folder) == 1
    assert capsys.readouterr().err.startswith("planted has no wheel for Lambda")


@pytest.mark.parametrize("platform", [LAMBDA, THIS_MACHINE], ids=["lambda", "here"])
def test_a_lock_without_a_wheel_for_a_platform_does_not_install(folder: Path, wheels: Path, platform: Platform) -> None:
    pin = wheel(wheels, "planted", WINDOWS)
    (folder / "functions.txt").write_text(pin)
    with pytest.raises(MissingWheelError) as missing:
        install(folder / "functions.txt", folder / "site", platform)
    assert (missing.value.package, missing.value.platform) == ("planted", platform)


def test_a_wheel_of_another_hash_does_not_install(folder: Path, wheels: Path) -> None:
    pin = wheel(wheels, "planted", ANYWHERE)
    (folder / "functions.txt").write_text(pin[:-8] + "00000000")
    with pytest.raises(RequirementsError, match=r"[Hh]ash"):
        install(folder / "functions.txt", folder / "site", THIS_MACHINE)


def test_the_repository_s_locks_hold_the_same_versions() -> None:
    functions, tools = (pins(requirements.FOLDER / name) for name in ("functions.txt", "dev.txt"))
    assert functions
    assert set(functions) <= set(tools)
