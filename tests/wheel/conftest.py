"""One wheel and two environments per run: every test of this folder is of group `wheel`, so of one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wheel.environments import NotInstallable, VirtualEnvironment, build_wheel, install


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("wheel"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


def installed(wheel: Path, folder: Path, extra: str) -> VirtualEnvironment:
    try:
        return install(wheel, folder / "venv", extra=extra)
    except NotInstallable as error:
        pytest.skip(f"THE WHEEL IS NOT TESTED: its packages are neither in uv's cache nor in reach: {error}")


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """Without an extra."""
    return installed(wheel, tmp_path_factory.mktemp("base"), "")


@pytest.fixture(scope="session")
def dev(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """With the extra `dev`, which includes all others."""
    return installed(wheel, tmp_path_factory.mktemp("dev"), "dev")
