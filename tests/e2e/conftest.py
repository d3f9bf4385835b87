"""One running system for all end-to-end tests of a worker: Taskyard's own (`system`), or a tiny one (`tiny`).

A process can run one system at a time. So tests of each carry an xdist group, and a session's other system is ended
when one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from local.system import LocalSystem
from tests.e2e import tiny_stack
from tests.grants import scene

ASSEMBLIES = {
    "tiny": tiny_stack.assembly,
    "grants": scene.assembly,
    "logs": partial(scene.assembly, handler=Path(__file__).parent / "handlers" / "quoting.py"),
}
"""Of what is not the dev template as it is."""


class _Systems:
    """The system that runs in this process, if any."""

    def __init__(self) -> None:
        self.running: LocalSystem | None = None
        self.kind = ""
        self.reports: list[str] = []
        """What the running system has reported, in lines."""

    def get(self, kind: str, factory: pytest.TempPathFactory) -> LocalSystem:
        if self.running is None or self.kind != kind:
            self.end()
            make = ASSEMBLIES.get(kind)
            cloud = make(factory.mktemp(kind)) if make else None
            self.reports = []
            self.running = LocalSystem.start(assembly=cloud, seed=1, report=self.reports.append)
            self.kind = kind
        return self.running

    def end(self) -> None:
        if self.running:
            self.running.close()
            self.running = None


@pytest.fixture(scope="session")
def _systems() -> Iterator[_Systems]:
    systems = _Systems()
    yield systems
    systems.end()


@pytest.fixture
def no_system(_systems: _Systems) -> None:
    """For a test that starts a system of its own in this process."""
    _systems.end()


@pytest.fixture
def system(_systems: _Systems, tmp_path_factory: pytest.TempPathFactory) -> LocalSystem:
    """Taskyard on the synthesized dev template, on a free port. Shared: tests use ids of their own."""
    return _systems.get("taskyard", tmp_path_factory)


@pytest.fixture
def tiny(_systems: _Systems, tmp_path_factory: pytest.TempPathFactory) -> LocalSystem:
    """The local runtime with the handlers of tiny_stack.py."""
    return _systems.get("tiny", tmp_path_factory)


@pytest.fixture
def fuzz_system(_systems: _Systems, tmp_path_factory: pytest.TempPathFactory) -> LocalSystem:
    """Taskyard, for tests that leave schedules and cancel tasks that they do not know."""
    return _systems.get("fuzz", tmp_path_factory)


@dataclass(frozen=True)
class LoggedSystem:
    """`reports`: the lines that the system reports while it runs."""

    system: LocalSystem
    reports: list[str]


@pytest.fixture
def logged(_systems: _Systems, tmp_path_factory: pytest.TempPathFactory) -> LoggedSystem:
    """Taskyard with the task type of handlers/quoting.py."""
    system = _systems.get("logs", tmp_path_factory)
    return LoggedSystem(system, _systems.reports)


@pytest.fixture(scope="module")
def grants_system(_systems: _Systems, tmp_path_factory: pytest.TempPathFactory) -> LocalSystem:
    """Taskyard with one task type more, of tests/grants."""
    return _systems.get("grants", tmp_path_factory)
