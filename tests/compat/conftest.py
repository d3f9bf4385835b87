"""The functions in a cloud without HTTP, as in tests/integration, with a Scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.compat.cloud import CompatCloud
from tests.integration.cloud import forget_processes
from tests.integration.conftest import Clock, clock, task_types_file

__all__ = ["clock", "task_types_file"]


@pytest.fixture
def make_cloud(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Callable[[], CompatCloud]]:
    """Clouds with nothing in them. The functions are in the one that was made last."""
    from functions.intake import services
    from functions.observer import handler as observer
    from functions.runtime import wiring

    def make() -> CompatCloud:
        made = CompatCloud(clock=clock)
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        for module in (wiring, services, observer):
            monkeypatch.setattr(module, "client", made.service)
        forget_processes()
        return made

    yield make
    forget_processes()
