"""Locks of pools: resolved with the base, kept while their inputs are the same, and what is told when that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.build import pool_locks
from infra.build.layers import prune
from infra.build.pool_locks import (
    PoolRequirementsError,
    is_pool_lock,
    keeps_all_services,
    lock_requirements,
    requirement_files,
)
from infra.build.requirements import LAMBDA, THIS_MACHINE, Platform, install, lambda_platform
from tests.infra.wheels import use_only, wheel

ANYWHERE = "py3-none-any"
ARM = "py3-none-manylinux_2_28_aarch64"
INTEL = "py3-none-manylinux_2_28_x86_64"
WINDOWS = "py3-none-win_amd64"
LAMBDA_INTEL = lambda_platform((3, 13), "x86_64")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where uv finds packages: of what functions need, version 1.0. The app's folder is the current."""
    use_only(tmp_path / "wheels", monkeypatch)
    (tmp_path / "base").mkdir()
    base = tmp_path / "base" / "functions.in"
    base.write_text("base==1.0\nloose\n")
    locked = [wheel(tmp_path / "wheels", name, ANYWHERE) for name in ("base", "loose")]
    base.with_suffix(".txt").write_text("\n".join(locked) + "\n")
    monkeypatch.setattr(pool_locks, "BASE_REQUIREMENTS", base)
    monkeypatch.setattr(pool_locks, "LOCK_FILE", base.with_suffix(".txt"))
    monkeypatch.setattr(pool_locks, "BUILD", tmp_path / "build")
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    return tmp_path / "wheels"


def declare(text: str, name: str = "images.txt") -> Path:
    Path(name).write_text(f"{text}\n")
    return Path(name)


def pins(lock: Path) -> list[str]:
    return [line.removesuffix(" \\") for line in lock.read_text().splitlines() if "==" in line]


def test_pool_is_locked_together_with_the_base_beside_its_requirements(wheels: Path) -> None:
    wheel(wheels, "pillow", ANYWHERE, requires="loose")
    wheel(wheels, "loose", ANYWHERE, version="2.0")
    lock = lock_requirements(declare("pillow"), [LAMBDA])
    assert lock == Path("images.lock")
    # The base's version stays, though there is a newer one.
    assert pins(lock) == ["base==1.0", "loose==1.0", "pillow==1.0"]
    install(lock, Path("site"), THIS_MACHINE)
    assert Path("site/pillow.py").exists()


def test_pool_that_needs_another_version_than_the_base_chose_gets_it(wheels: Path) -> None:
    wheel(wheels, "loose", ANYWHERE, version="2.0")
    assert pins(lock_requirements(declare("loose>=2"), [LAMBDA])) == ["base==1.0", "loose==2.0"]


def test_lock_stays_as_it_is_while_its_inputs_do(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(wheels, "pillow", ANYWHERE)
    requirements = declare("pillow")
    before = lock_requirements(requirements, [LAMBDA]).read_bytes()
    wheel(wheels, "pillow", ANYWHERE, version="2.0")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(pool_locks, "compile_lock", None)
    assert lock_requirements(requirements, [LAMBDA]).read_bytes() == before


@pytest.mark.parametrize("changed", ["images.txt", "more.txt", "../base/functions.in", "../base/functions.txt"])
def test_lock_follows_what_it_was_made_of(wheels: Path, changed: str) -> None:
    wheel(wheels, "pillow", ANYWHERE)
    wheel(wheels, "added", ANYWHERE)
    declare("", "more.txt")
    lock = lock_requirements(declare("pillow\n-r more.txt"), [LAMBDA])
    assert "added==1.0" not in pins(lock)
    file = Path(changed)
    file.write_text(f"{file.read_text()}\n{'# another' if file.name == 'functions.txt' else 'added'}\n")
    before = lock.read_bytes()
    lock_requirements(Path("images.txt"), [LAMBDA])
    assert lock.read_bytes() != before
    assert ("added==1.0" in pins(lock)) == (file.name != "functions.txt")


def test_versions_that_are_locked_stay_when_a_requirement_is_added(wheels: Path) -> None:
    wheel(wheels, "pillow", ANYWHERE)
    lock_requirements(declare("pillow"), [LAMBDA])
    wheel(wheels, "pillow", ANYWHERE, version="2.0")
    wheel(wheels, "added", ANYWHERE)
    lock = lock_requirements(declare("pillow\nadded"), [LAMBDA])
    assert pins(lock) == ["added==1.0", "base==1.0", "loose==1.0", "pillow==1.0"]


def test_lock_has_wheels_for_every_platform_that_it_is_used_on(wheels: Path) -> None:
    for tag in (ARM, INTEL):
        wheel(wheels, "pillow", tag)
    wheel(wheels, "pillow", ARM, version="2.0")
    requirements = declare("pillow")
    assert "pillow==2.0" in pins(lock_requirements(requirements, [LAMBDA]))
    assert "pillow==1.0" in pins(lock_requirements(requirements, [LAMBDA_INTEL]))
    # Of two stacks with the same file, neither undoes the other's.
    before = Path("images.lock").read_bytes()
    assert lock_requirements(requirements, [LAMBDA]).read_bytes() == before


@pytest.mark.parametrize("platform", [LAMBDA, LAMBDA_INTEL], ids=["arm64", "x86_64"])
def test_package_without_a_wheel_is_told_at_the_line_that_names_it(wheels: Path, platform: Platform) -> None:
    wheel(wheels, "Pillow_Plus", WINDOWS)
    with pytest.raises(PoolRequirementsError) as missing:
        lock_requirements(declare("# of images\npillow-plus>=1"), [platform])
    first = str(missing.value).splitlines()[0]
    assert first.startswith("images.txt:2: ")
    assert f" has no wheel for {platform.label}: pin a version that has one, or remove it" in first
    assert not Path("images.lock").exists()


def test_package_without_a_wheel_that_another_one_needs_is_told_with_the_file(wheels: Path) -> None:
    wheel(wheels, "pillow", ANYWHERE, requires="deep")
    wheel(wheels, "deep", WINDOWS)
    with pytest.raises(PoolRequirementsError, match=r"^images.txt: deep, which another package needs, has no wheel"):
        lock_requirements(declare("pillow"), [LAMBDA])


@pytest.mark.parametrize("text", ["base==2.0", "nothing-of-that-name"])
def test_requirements_that_do_not_go_together_are_told_in_uv_s_words(wheels: Path, text: str) -> None:
    with pytest.raises(PoolRequirementsError, match=text.partition("=")[0]) as wrong:
        lock_requirements(declare(text), [LAMBDA])
    first, *rest = str(wrong.value).splitlines()
    assert first.startswith("images.txt: the requirements do not resolve for Lambda")
    assert rest


def test_file_that_is_included_and_missing_is_told_at_the_line_that_includes_it(wheels: Path) -> None:
    declare("pillow\n-r more.txt")
    with pytest.raises(PoolRequirementsError, match=r"^images.txt:2: there is no file more.txt: create it, or correct"):
        requirement_files(Path("images.txt"))


def test_requirements_that_have_the_name_of_their_lock_are_refused(wheels: Path) -> None:
    with pytest.raises(PoolRequirementsError, match=r"^images.lock: its lock would have the same name"):
        lock_requirements(declare("pillow", "images.lock"), [LAMBDA])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("pillow", {"botocore/data/sqs/1/a.json", "pydantic/v1/a.py", "bin/tool", "pillow.dist-info/RECORD"}),
        (
            "boto3",
            {
                "botocore/data/rekognition/1/a.json",
                "botocore/data/sqs/1/a.json",
                "pydantic/v1/a.py",
                "bin/tool",
                "pillow.dist-info/RECORD",
            },
        ),
    ],
)
def test_layer_of_a_pool_keeps_what_its_packages_may_need(wheels: Path, text: str, left: set[str]) -> None:
    for name in ("pillow", "boto3"):
        wheel(wheels, name, ANYWHERE)
    lock = lock_requirements(declare(text), [LAMBDA]).read_bytes()
    assert is_pool_lock(lock)
    assert keeps_all_services(lock) == (text == "boto3")
    site = Path("site")
    for name in left | {"botocore/data/rekognition/1/a.json", "a/__pycache__/a.pyc"}:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    (site / "botocore/data/endpoints.json").write_text('{"partitions": []}')
    prune(site, lock)
    found = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert found - {"botocore/data/endpoints.json"} == left
