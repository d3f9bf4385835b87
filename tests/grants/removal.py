"""Runs the scenarios, then takes grants away one at a time: which scenario fails without each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from local.template.roles import statement_covers
from tests.grants.grants import Grant
from tests.grants.scenarios import SCENARIOS
from tests.grants.scene import Scene

TRIES = 12
"""Scenarios that are run without a grant before nothing is said to need it."""


@dataclass(frozen=True)
class Removal:
    """`scenario`: the one that was run without the grant; None when no scenario uses it. `error`: how it failed, None
    when it did not fail by the denial of this grant."""

    grant: Grant
    scenario: str | None
    error: str | None

    def __str__(self) -> str:
        if self.scenario is None:
            return f"{self.grant}: no scenario uses it"
        return f"{self.grant}: {self.scenario} {'fails' if self.error else 'DOES NOT FAIL'} without it"


def play_all(scene: Scene, report: Callable[[str], None] = lambda line: None) -> dict[str, float]:
    """Every scenario, with all grants. Seconds by scenario. Raises AssertionError."""
    seconds = {}
    for name, scenario in SCENARIOS.items():
        began = time.monotonic()
        scene.play(name, scenario)
        seconds[name] = time.monotonic() - began
        scene.forget()  # what it leaves to do must not count as another scenario's
        report(f"{seconds[name]:6.2f} s  {name}")
    return seconds


def unused_grants(scene: Scene) -> list[Grant]:
    return [grant for grant in scene.use.all() if not scene.use.scenarios[grant]]


def remove_each(scene: Scene, grants: Iterable[Grant], seconds: dict[str, float]) -> Iterator[Removal]:
    """`seconds`: of each scenario; the fastest ones that use the grant are run without it."""
    for grant in grants:
        users = scene.use.scenarios[grant] & seconds.keys()
        if not users:
            yield Removal(grant, None, None)
            continue
        removal = Removal(grant, None, None)
        # A scenario may have used the grant by chance, by a retry for instance: then another one shows it.
        for name in sorted(users, key=lambda user: (seconds[user], user))[:TRIES]:
            removal = Removal(grant, name, _error_without(scene, grant, name))
            if removal.error:
                break
        yield removal


def _error_without(scene: Scene, grant: Grant, name: str) -> str | None:
    """How the scenario fails by the denial of this grant."""
    error = None
    with scene.use.without(grant):
        try:
            scene.play(name, SCENARIOS[name])
        except AssertionError as failure:
            if any(statement_covers(grant.statement, each) for _, each in scene.use.denied):
                error = str(failure)
    scene.forget()
    return error
